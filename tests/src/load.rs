//! Many events, drawn from a seed: every type, both modes, and among them records that are poison.

use deed_model::event::FUTURE;
pub use deed_model::event::PAST;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;
use uuid::Uuid;

use crate::event::{Clock, Event, Record, id};

/// One record in so many is poison.
const POISON_EVERY: usize = 500;

/// The levels, ascending.
pub const LEVELS: [&str; 3] = ["viewer", "editor", "owner"];

/// A seed of this run, printed so that the run can be drawn again: `DEED_SEED` brings it back.
pub fn seed() -> u64 {
    let seed = std::env::var("DEED_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random);
    println!("drawn with DEED_SEED={seed}");
    seed
}

/// The n-th of the documents that the events are about.
pub fn document(n: usize) -> Uuid {
    id(&format!("document {n}"))
}

/// The n-th of the people in them.
pub fn person(n: usize) -> Uuid {
    id(&format!("person {n}"))
}

/// How much there is for events to be about.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// Documents.
    pub documents: usize,
    /// People.
    pub people: usize,
    /// So many of them are in groups, have members and are promoted.
    pub nodes: usize,
}

/// How many people there are about so many documents.
pub fn people(documents: usize) -> usize {
    documents / 10 + 2
}

/// `count` events about so many documents, in the order of their times, which all differ.
pub fn events(seed: u64, count: usize, documents: usize) -> Vec<Event> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut clock = Clock::default();
    let people = people(documents);
    let world = World {
        documents,
        people,
        nodes: people,
    };
    (0..count)
        .map(|_| event(&mut rng, &mut clock, world))
        .collect()
}

/// The same as records, in no order, and with what is not told by the time: some events share it,
/// some even their id, and some are poison.
pub fn records(seed: u64, count: usize, documents: usize) -> Vec<Record> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut events = events(seed, count, documents);
    for n in 1..events.len() {
        if rng.random_bool(0.2) {
            events[n].time = events[n - 1].time.clone();
            if rng.random_bool(0.2) {
                events[n].id = events[n - 1].id.clone();
            }
        }
    }
    let mut records: Vec<Record> = events
        .iter()
        .enumerate()
        .map(|(n, event)| match n % POISON_EVERY {
            0 => poison(n),
            _ if rng.random_bool(0.5) => event.structured(),
            _ => event.binary(),
        })
        .collect();
    // Keyed by subject they would keep their order in a partition; it must not matter.
    records.shuffle(&mut rng);
    records
}

/// One event of any type.
pub fn event(rng: &mut StdRng, clock: &mut Clock, world: World) -> Event {
    let document = document(rng.random_range(0..world.documents));
    let mut pick = || rng.random_range(0..world.people);
    let picked = [pick(), pick()];
    let [one, other] = picked.map(person);
    let [node, other_node] = picked.map(|n| person(n % world.nodes));
    let number: u16 = rng.random();
    match rng.random_range(0..200) {
        0..36 => clock.created(document, one, &format!("Plan {number}")),
        36..76 => {
            let parts = match number % 5 {
                0 => json!({}),
                1 => json!({ "title": null }),
                2 => json!({ "metadata": { "pages": number } }),
                3 => json!({ "content": [number, 0.5] }),
                _ => json!({ "title": format!("Draft {number}") }),
            };
            clock.updated(document, one, parts)
        }
        76..79 => clock.deleted(document, one),
        79..82 => clock.restored(document, one),
        82 => clock.purged(document, one),
        83..95 => {
            let kind = ["user", "anonymous", "group"][rng.random_range(0..3)];
            clock.registered(one, kind, &format!("Person {number}"))
        }
        95..98 => clock.principal_updated(
            one,
            json!({ "name": null, "description": number.to_string() }),
        ),
        98 => clock.removed(one),
        99..102 => clock.principal_restored(one),
        102..104 => clock.promoted(node, other_node),
        104..110 => clock.member_added(node, other_node),
        110..114 => clock.member_removed(node, other_node),
        114..170 => {
            let level = LEVELS[rng.random_range(0..LEVELS.len())];
            let mut event = clock.granted(document, one, level, other);
            match rng.random_range(0..100) {
                0..10 => event.data["expires_at"] = json!(PAST),
                10..20 => event.data["expires_at"] = json!(FUTURE),
                20 => event.data["recipient"] = json!("everyone"),
                21 => event.data["recipient"] = json!("users"),
                _ => {}
            }
            event
        }
        _ => clock.revoked(document, one, other),
    }
}

/// A record that is no event; `n` tells it from its like.
pub fn poison(n: usize) -> Record {
    Record {
        key: Some(format!("poison {n}").into_bytes()),
        headers: vec![("n".to_owned(), Some(n.to_string().into_bytes()))],
        value: Some(b"not an event".to_vec()),
        partition: None,
    }
}
