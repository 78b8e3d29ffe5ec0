//! The same with several sessions at once: they apply, another watches, and two relays take turns.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use deed_model::random::history_of;
use deed_tests::event::Event;
use deed_tests::load;
use deed_tests::outbound::{settle, watch};
use deed_tests::reference;
use postgres::Client;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::Config;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use super::End;
use super::histories::{Course, judge, pair};
use crate::ground::{Ground, runner};

const HISTORIES: usize = 600;
const SESSIONS: usize = 3;
const EVENTS: usize = 40;
const RELAYS: [Uuid; 2] = [Uuid::from_u128(0xe1), Uuid::from_u128(0xe2)];

/// Settles until told to end, and gives the work to another one now and then.
fn relay(client: &mut Client, relay: Uuid, end: &AtomicBool, rng: &mut StdRng) {
    while !end.load(Ordering::Relaxed) {
        let row = client.query_one("SELECT deed.settle($1)", &[&relay]);
        row.expect("settled");
        if rng.random_bool(0.2) {
            let released = client.execute("SELECT deed.release_relay($1)", &[&relay]);
            released.expect("released");
        }
    }
}

#[test]
fn concurrent_appliers_are_told_as_the_model_recomputes_them() {
    let began = Instant::now();
    let seed = load::seed();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut runner = runner(seed, Config::default());
    let mut ground = Ground::new("outbound_races");
    let mut owners: Vec<_> = (0..SESSIONS).map(|n| ground.owner(n as i32)).collect();
    let mut relays = RELAYS.map(|name| (name, ground.session()));
    let mut watching = ground.session();
    let mut changes = 0;
    for round in 0..HISTORIES {
        ground.clear();
        let drawn = history_of(EVENTS..=EVENTS).new_tree(&mut runner);
        let mut events = drawn.expect("a history").current();
        if round % 3 < 2 {
            // A purge ends its document.
            events.retain(|event| event.kind != "document.purged");
        }
        let mut parts = vec![Vec::new(); SESSIONS];
        for event in &events {
            parts[rng.random_range(0..SESSIONS)].push(event.structured());
        }
        let mut seeds = || StdRng::seed_from_u64(rng.random());
        let end = AtomicBool::new(false);
        let mut course = Course::default();
        thread::scope(|scope| {
            let ending = End(&end);
            for (name, client) in &mut relays {
                let (mut rng, end) = (seeds(), &end);
                scope.spawn(move || relay(client, *name, end, &mut rng));
            }
            let appliers: Vec<_> = owners
                .iter_mut()
                .zip(parts)
                .map(|(owner, mut part)| {
                    let mut rng = seeds();
                    scope.spawn(move || {
                        part.shuffle(&mut rng);
                        for batch in part.chunks(rng.random_range(1..=4)) {
                            owner.apply(batch).expect("applied");
                        }
                    })
                })
                .collect();
            let mut rng = seeds();
            while !appliers.iter().all(|applier| applier.is_finished()) {
                let pair = pair(&mut rng);
                let level = watch(&mut watching, pair.1, pair.0, "test");
                course.watched.entry(pair).or_insert(level);
            }
            drop(ending);
        });
        for relay in RELAYS {
            let released = watching.execute("SELECT deed.release_relay($1)", &[&relay]);
            released.expect("released");
        }
        settle(&mut watching, RELAYS[0]);
        let model = reference::model(&events);
        match judge(&mut ground, &model, course) {
            Ok(told) => changes += told,
            Err(difference) => {
                let events: Vec<&Event> = events.iter().collect();
                panic!("history {round} of seed {seed}:\n{events:#?}\n{difference}");
            }
        }
    }
    println!(
        "{HISTORIES} histories of {EVENTS} events by {SESSIONS} sessions at once, with a watcher and two relays: {changes} changes of watched levels told; {:.0?}",
        began.elapsed()
    );
}
