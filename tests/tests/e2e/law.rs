//! The law: any order, any duplication, any batching of the same events gives the same tables, and
//! the answers are what the events mean.

use deed_model::random::{DOCUMENTS, PRINCIPALS};
use deed_tests::answers::Subjects;
use deed_tests::event::Event;
use deed_tests::owner::{self, GROUP, Owner};
use rand::Rng;
use rand::rngs::StdRng;
use uuid::Uuid;

use crate::ground::Ground;

mod histories;
mod random;

/// Small, so that lists have several pages.
const PAGE_SIZE: i32 = 2;

/// Everybody and everything in the histories.
fn subjects() -> Subjects {
    Subjects {
        principals: [&PRINCIPALS[..], &[Uuid::from_u128(1), Uuid::from_u128(2)]].concat(),
        documents: DOCUMENTS.to_vec(),
    }
}

/// The owners of a partition of three topics.
fn owners(ground: &Ground) -> [Owner; 3] {
    ["documents", "principals", "permissions"]
        .map(|topic| Owner::claim_for(ground.session(), GROUP, topic, 0).expect("claimed"))
}

/// Applies each step, as of any of the topics: several events as a batch of records in either mode; one alone now and then by
/// `deed.apply`.
fn apply(owners: &mut [Owner], steps: &[Vec<Event>], rng: &mut StdRng) {
    for step in steps {
        let owner = &mut owners[rng.random_range(0..owners.len())];
        if let ([event], true) = (step.as_slice(), rng.random_bool(0.3)) {
            owner::apply(owner.client(), event);
            continue;
        }
        let record = |event: &Event| match rng.random() {
            true => event.structured(),
            false => event.binary(),
        };
        let records: Vec<_> = step.iter().map(record).collect();
        let rejected = owner.apply(&records);
        let rejected = rejected.unwrap_or_else(|error| panic!("{step:?}: {error:?}"));
        assert_eq!(rejected, 0, "{step:?}");
    }
}
