//! The model, told the same events as the product.

use deed_core::event::Event as CoreEvent;
use deed_core::version::Instant;
use deed_model::model::Model;

use crate::event::Event;

/// The digest that ends a version: it orders events that are equal in all else, and the model
/// doesn't know how.
fn digest(event: &Event) -> [u8; 32] {
    let latest = Instant::parse("latest", "9999-12-31T23:59:59Z").expect("a time");
    let read = CoreEvent::from_structured(&event.envelope().to_string(), latest);
    let version = read
        .unwrap_or_else(|error| panic!("{event:?}: {error}"))
        .version;
    *version.as_bytes().last_chunk().expect("a digest")
}

/// A model that was told these.
pub fn model<'a>(events: impl IntoIterator<Item = &'a Event>) -> Model {
    let mut model = Model::default();
    for event in events {
        model.tell(event.clone(), digest(event));
    }
    model
}
