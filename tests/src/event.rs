//! CloudEvents and the records that carry them; and their headers as the Kafka client takes them.

pub use deed_model::event::{Clock, Event, id};
pub use deed_model::record::{Record, structured};
use rdkafka::message::{Header, OwnedHeaders};

/// The headers of a record in librdkafka's form.
pub fn headers(record: &Record) -> OwnedHeaders {
    let empty = OwnedHeaders::new_with_capacity(record.headers.len());
    record.headers.iter().fold(empty, |headers, (key, value)| {
        headers.insert(Header {
            key,
            value: value.as_deref(),
        })
    })
}
