//! Four sessions at once, each with a part of one history.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use deed_model::random::{DOCUMENTS, PRINCIPALS, history_of};
use deed_tests::answers::Subjects;
use deed_tests::event::{Clock, Event, id};
use deed_tests::load;
use deed_tests::owner::Owner;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::Config;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::ground::{Ground, ahead, runner};

const SESSIONS: usize = 4;
const ROUNDS: u64 = 200;
const EVENTS: usize = 80;
const MOST_IN_A_BATCH: usize = 4;

/// Four owners of one ground, and a round of events after the other through them.
struct Race {
    ground: Ground,
    owners: Vec<Owner>,
}

impl Race {
    fn new(name: &str) -> Self {
        let ground = Ground::new(name);
        let owners = (0..SESSIONS).map(|n| ground.owner(n as i32)).collect();
        Self { ground, owners }
    }

    /// Every event once, a few of them by two sessions, all sessions at the same time in batches of
    /// a few. Any error fails, a deadlock too.
    fn run(&mut self, events: &[Event], rng: &mut StdRng) {
        self.ground.clear();
        let mut parts = vec![Vec::new(); SESSIONS];
        for event in events {
            for _ in 0..1 + usize::from(rng.random_bool(0.1)) {
                parts[rng.random_range(0..SESSIONS)].push(event.structured());
            }
        }
        let start = Barrier::new(SESSIONS);
        thread::scope(|scope| {
            for (owner, mut part) in self.owners.iter_mut().zip(parts) {
                let mut rng = StdRng::seed_from_u64(rng.random());
                let start = &start;
                scope.spawn(move || {
                    part.shuffle(&mut rng);
                    start.wait();
                    let mut rest = part.as_slice();
                    while !rest.is_empty() {
                        let size = rng.random_range(1..=MOST_IN_A_BATCH).min(rest.len());
                        let (batch, later) = rest.split_at(size);
                        owner.apply(batch).expect("applied");
                        rest = later;
                    }
                });
            }
        });
    }
}

#[test]
fn four_sessions_race_over_one_history() {
    let began = Instant::now();
    let seed = load::seed();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut runner = runner(seed, Config::default());
    let mut race = Race::new("concurrent_history");
    let subjects = Subjects {
        principals: PRINCIPALS.to_vec(),
        documents: DOCUMENTS.to_vec(),
    };
    let mut failures = Vec::new();
    for round in 0..ROUNDS {
        let drawn = history_of(EVENTS..=EVENTS).new_tree(&mut runner);
        let mut events = drawn.expect("a history").current();
        match round % 4 {
            // Memberships, removals and promotions alone meet most often.
            0 | 1 => events.retain(|event| !event.kind.starts_with("document.")),
            // A purge ends its document.
            2 => events.retain(|event| event.kind != "document.purged"),
            _ => {}
        }
        race.run(&events, &mut rng);
        if let Err(difference) = race.ground.judge(&events, &subjects, 50) {
            failures.push(format!("round {round}:\n{events:#?}\n{difference}"));
        }
    }
    println!(
        "{ROUNDS} rounds of up to {EVENTS} events by {SESSIONS} sessions at once: {} wrong; {:.0?}",
        failures.len(),
        began.elapsed()
    );
    assert!(failures.is_empty(), "first: {}", failures[0]);
}

#[test]
fn a_document_grows_wide_under_four_sessions() {
    let mut rng = StdRng::seed_from_u64(load::seed());
    let mut race = Race::new("concurrent_wide");
    let [anne, plan, note] = ["anne", "plan", "note"].map(id);
    let readers: Vec<_> = (0..110).map(|n| id(&format!("reader {n}"))).collect();
    for round in 0..12 {
        let mut clock = Clock::default();
        let mut events = Vec::new();
        for document in [plan, note] {
            events.push(clock.created(document, anne, "One"));
            // With the creator's: below, just at and above the limit.
            for (n, reader) in readers[..97 + round].iter().enumerate() {
                let event = match n % 5 {
                    0 => clock.revoked(document, *reader, anne),
                    _ => clock.granted(document, *reader, "viewer", anne),
                };
                events.push(event);
                if n % 10 == 0 {
                    events.push(clock.updated(document, anne, json!({ "title": n.to_string() })));
                }
            }
            if round % 3 < 2 {
                events.push(clock.deleted(document, anne));
            }
            if round % 3 == 0 {
                events.push(clock.restored(document, anne));
            }
        }
        race.run(&events, &mut rng);
        let subjects = Subjects {
            principals: vec![anne, readers[0], readers[1], readers[96]],
            documents: vec![plan, note],
        };
        let judged = race.ground.judge(&events, &subjects, 50);
        judged.unwrap_or_else(|difference| panic!("{} readers: {difference}", 97 + round));
    }
}

/// Records leave quarantine by two sessions at once, while two others read the same records again and
/// what belongs to them.
#[test]
fn redrives_race_with_batches() {
    let seed = load::seed();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut runner = runner(seed, Config::default());
    let mut ground = Ground::new("concurrent_redrives");
    let mut strict = ground.owner(0);
    ground.set_max_clock_skew("1h");
    let mut owners = [ground.owner(1), ground.owner(2)];
    let mut redrivers = [ground.session(), ground.session()];
    let subjects = Subjects {
        principals: PRINCIPALS.to_vec(),
        documents: DOCUMENTS.to_vec(),
    };
    for _ in 0..50 {
        ground.clear();
        let drawn = history_of(EVENTS..=EVENTS).new_tree(&mut runner);
        let mut events = drawn.expect("a history").current();
        events.retain(|event| event.kind != "document.purged");
        let far = ahead(ground.client(), "10 minutes");
        for event in events.iter_mut().filter(|_| rng.random_bool(0.5)) {
            event.time = far.clone();
        }
        let early: Vec<_> = events.iter().filter(|event| event.time == far).collect();
        let records: Vec<_> = early.iter().map(|event| event.structured()).collect();
        let refused = strict.apply(&records).expect("quarantined");
        assert_eq!(refused, records.len() as i64);
        let ids = ground.client().query("SELECT id FROM deed.quarantine", &[]);
        let ids: Vec<i64> = ids
            .expect("quarantine")
            .iter()
            .map(|row| row.get(0))
            .collect();
        let start = Barrier::new(owners.len() + redrivers.len());
        thread::scope(|scope| {
            for client in &mut redrivers {
                let (mut ids, start) = (ids.clone(), &start);
                ids.shuffle(&mut rng);
                scope.spawn(move || {
                    start.wait();
                    for part in ids.chunks(MOST_IN_A_BATCH) {
                        let redriven = client.query("SELECT * FROM deed.redrive($1)", &[&part]);
                        redriven.expect("redriven");
                    }
                });
            }
            for owner in &mut owners {
                let mut records: Vec<_> = events.iter().map(Event::binary).collect();
                let start = &start;
                records.shuffle(&mut rng);
                scope.spawn(move || {
                    start.wait();
                    for batch in records.chunks(MOST_IN_A_BATCH) {
                        owner.apply(batch).expect("applied");
                    }
                });
            }
        });
        let left = ground.client().query("SELECT FROM deed.quarantine", &[]);
        assert!(left.expect("quarantine").is_empty());
        let judged = ground.judge(&events, &subjects, 50);
        judged.unwrap_or_else(|difference| panic!("{events:#?}\n{difference}"));
    }
}
