//! The law: any order, any duplication, any batching of the same events gives the same tables, and
//! the answers are what the events mean.

use std::fmt::Write;

use deed_model::random::{DOCUMENTS, PRINCIPALS};
use deed_tests::answers::Subjects;
use deed_tests::event::Event;
use deed_tests::owner::Owner;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use uuid::Uuid;

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

/// Applies each step: several events as a batch of records in either mode; one alone now and then by
/// `deed.apply`.
fn apply(owner: &mut Owner, steps: &[Vec<Event>], rng: &mut StdRng) {
    for step in steps {
        if let ([event], true) = (step.as_slice(), rng.random_bool(0.3)) {
            let envelope = event.envelope().to_string();
            owner
                .client()
                .execute("SELECT deed.apply($1::text::jsonb)", &[&envelope])
                .unwrap_or_else(|error| panic!("{event:?}: {error:?}"));
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

/// The events in any order, cut into batches anywhere.
fn steps(events: &[Event], rng: &mut StdRng) -> Vec<Vec<Event>> {
    let mut events = events.to_vec();
    events.shuffle(rng);
    let mut steps = vec![Vec::new()];
    for event in events {
        if rng.random() {
            steps.push(Vec::new());
        }
        steps.last_mut().expect("a step").push(event);
    }
    steps.retain(|step| !step.is_empty());
    steps
}

/// A line an event; a blank one between batches.
fn text(steps: &[Vec<Event>]) -> String {
    let mut text = String::new();
    for step in steps {
        for event in step {
            // Writing to a String can't fail.
            let _ = writeln!(text, "  {event:?}");
        }
        text.push('\n');
    }
    text
}
