//! Many events, drawn from a seed: every type, both modes, and among them records that are poison.

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use serde_json::json;
use uuid::Uuid;

use crate::event::{Clock, Event, Record, id};

/// One record in so many is poison.
const POISON_EVERY: usize = 500;

/// A seed of this run, printed so that the run can be drawn again: `DEED_SEED` brings it back.
pub fn seed() -> u64 {
    let seed = std::env::var("DEED_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random);
    println!("drawn with DEED_SEED={seed}");
    seed
}

/// `count` records about so many documents; in no order of their times.
pub fn records(seed: u64, count: usize, documents: usize) -> Vec<Record> {
    let mut rng = StdRng::seed_from_u64(seed);
    let documents: Vec<Uuid> = (0..documents)
        .map(|n| id(&format!("document {n}")))
        .collect();
    let people: Vec<Uuid> = (0..documents.len() / 10 + 2)
        .map(|n| id(&format!("person {n}")))
        .collect();
    let mut clock = Clock::default();
    let mut records: Vec<Record> = (0..count)
        .map(|n| match n % POISON_EVERY {
            0 => poison(n),
            _ => {
                let event = event(&mut rng, &mut clock, &documents, &people);
                match rng.random_bool(0.5) {
                    true => event.structured(),
                    false => event.binary(),
                }
            }
        })
        .collect();
    // Keyed by subject they would keep their order in a partition; it must not matter.
    records.shuffle(&mut rng);
    records
}

fn event(rng: &mut StdRng, clock: &mut Clock, documents: &[Uuid], people: &[Uuid]) -> Event {
    let mut pick = |from: &[Uuid]| *from.choose(rng).expect("never empty");
    let (document, one, other) = (pick(documents), pick(people), pick(people));
    match rng.random_range(0..100) {
        0..20 => clock.created(
            document,
            one,
            &format!("Plan {}", rng.random_range(0..1_000)),
        ),
        20..40 => {
            let data = match rng.random_range(0..4) {
                0 => json!({ "updated_by": one, "title": null }),
                1 => json!({ "updated_by": one, "metadata": { "pages": rng.random_range(0..99) } }),
                2 => json!({ "updated_by": one, "content": [rng.random_range(0..99), 0.5] }),
                _ => {
                    json!({ "updated_by": one, "title": format!("Draft {}", rng.random::<u16>()) })
                }
            };
            clock.event("document.updated", document, data)
        }
        40..44 => clock.deleted(document, one),
        44..50 => clock.registered(one, "user", &format!("Person {}", rng.random::<u16>())),
        50..80 => {
            let levels = ["viewer", "editor", "owner"];
            let level = levels.choose(rng).expect("never empty");
            clock.granted(document, one, level, other)
        }
        _ => clock.revoked(document, one, other),
    }
}

fn poison(n: usize) -> Record {
    Record {
        key: Some(format!("poison {n}").into_bytes()),
        headers: vec![("n".to_owned(), Some(n.to_string().into_bytes()))],
        value: Some(b"not an event".to_vec()),
        partition: None,
    }
}
