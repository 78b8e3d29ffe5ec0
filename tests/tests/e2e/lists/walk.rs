//! The law of a walk: while others write, a list walked page by page never gives a row twice, and
//! never misses one that was there, with its sort key, all along.

use std::collections::BTreeSet;
use std::thread;

use deed_tests::event::{Clock, Event, id};
use deed_tests::load;
use postgres::Client;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;
use uuid::Uuid;

use crate::ground::Ground;
use crate::meanwhile::Meanwhile;

/// Of each sort: those that are there all along, and those that come and go.
const STILL: usize = 120;
const MOVING: usize = 120;
/// Permissions from which a document is wide.
const WIDE: usize = 100;
const WALKS: usize = 40;
/// Batches that commit during the walks of each list.
const CHANGES: usize = 200;

/// Everybody and everything in the walks.
struct Cast {
    anne: Uuid,
    bob: Uuid,
    team: Uuid,
    firm: Uuid,
    /// Bob sees them all along, and their sort key stays. Whence he sees them changes.
    still: Vec<Uuid>,
    /// Wide from the beginning, or sooner or later.
    wide: Vec<Uuid>,
    moving: Vec<Uuid>,
    /// Whose principals are listed.
    plan: Uuid,
    holders: Vec<Uuid>,
    comers: Vec<Uuid>,
}

fn many(name: &str, count: usize) -> Vec<Uuid> {
    (0..count)
        .map(|n| id(&format!("walk {name} {n}")))
        .collect()
}

fn cast() -> Cast {
    let [anne, bob, team, firm, plan] = ["anne", "bob", "team", "firm", "plan"].map(id);
    Cast {
        anne,
        bob,
        team,
        firm,
        plan,
        still: many("still", STILL),
        wide: many("wide", 6),
        moving: many("moving", MOVING),
        holders: many("holder", STILL),
        comers: many("comer", MOVING),
    }
}

impl Cast {
    fn beginning(&self, clock: &mut Clock) -> Vec<Event> {
        let Self {
            anne,
            bob,
            team,
            firm,
            ..
        } = *self;
        let mut events = vec![
            clock.registered(bob, "user", "Bob"),
            clock.member_added(team, bob),
            clock.member_added(firm, team),
            clock.created(self.plan, anne, "Plan"),
            clock.granted(self.plan, team, "viewer", anne),
        ];
        // Created by turns, so that all kinds lie among each other in every order.
        for n in 0..STILL.max(MOVING) {
            for documents in [&self.still, &self.moving, &self.wide] {
                if let Some(document) = documents.get(n) {
                    events.push(clock.created(*document, anne, "Note"));
                    events.push(clock.granted(*document, bob, "viewer", anne));
                }
            }
            for holders in [&self.holders, &self.comers] {
                events.push(clock.granted(self.plan, holders[n], "viewer", anne));
            }
        }
        for (n, document) in self.wide.iter().enumerate() {
            // Half of them are wide at once, the others lack a few.
            let count = if n % 2 == 0 { WIDE + 5 } else { WIDE - 10 };
            for reader in many("reader", count) {
                events.push(clock.granted(*document, reader, "viewer", anne));
            }
        }
        events
    }

    /// One batch: whatever it says, who was to be listed all along is so before and behind it.
    fn batch(&self, clock: &mut Clock, rng: &mut StdRng) -> Vec<Event> {
        let Self {
            anne,
            bob,
            team,
            firm,
            ..
        } = *self;
        let moving = one_of(&self.moving, rng);
        let still = one_of(&[&self.still[..], &self.wide].concat(), rng);
        let (holder, comer) = (one_of(&self.holders, rng), one_of(&self.comers, rng));
        let level = one_of(&load::LEVELS, rng);
        match rng.random_range(0..14) {
            0..3 => vec![clock.updated(moving, anne, json!({ "title": "Changed" }))],
            3 => vec![clock.deleted(moving, anne)],
            4 => vec![clock.restored(moving, anne)],
            5 => vec![clock.revoked(moving, bob, anne)],
            6 => vec![clock.granted(moving, one_of(&[bob, team, firm], rng), level, anne)],
            // At another level, which stands elsewhere in the index.
            7 => vec![clock.granted(still, bob, level, anne)],
            // By another way, without a moment in between.
            8 => vec![
                clock.granted(still, one_of(&[team, firm], rng), level, anne),
                clock.revoked(still, bob, anne),
            ],
            9 => vec![
                clock.granted(still, bob, level, anne),
                clock.revoked(still, one_of(&[team, firm], rng), anne),
            ],
            // Wide, sooner or later.
            10 => {
                let reader = id(&format!("walk late reader {}", rng.random_range(0..30)));
                let wide = one_of(&self.wide, rng);
                vec![clock.granted(wide, reader, "viewer", anne)]
            }
            11 => vec![clock.granted(self.plan, comer, level, anne)],
            12 => vec![clock.revoked(self.plan, comer, anne)],
            _ => vec![clock.granted(self.plan, holder, level, anne)],
        }
    }
}

fn one_of<T: Copy>(these: &[T], rng: &mut StdRng) -> T {
    *these.choose(rng).expect("one at least")
}

/// A list walked to its end by pages of any size; fails where a row comes twice.
fn walk(client: &mut Client, list: &str, column: &str, rng: &mut StdRng) -> Walked {
    let query = format!("SELECT {column}, cursor FROM deed.{list}");
    let (mut seen, mut cursor, mut pages) = (BTreeSet::new(), None::<String>, 0);
    loop {
        let size: i32 = match rng.random_range(0..10) {
            0 => 1,
            1 => 1_000,
            _ => rng.random_range(2..40),
        };
        let rows = client.query(&query, &[&cursor, &size]).expect(&query);
        pages += 1;
        for row in &rows {
            let row: Uuid = row.get(0);
            assert!(
                seen.insert(row),
                "{list} gives {row} twice, on page {pages}"
            );
        }
        let full = rows.len() == size as usize;
        let Some(last) = rows.last().filter(|_| full) else {
            return Walked { seen, pages };
        };
        cursor = Some(last.get(1));
    }
}

struct Walked {
    seen: BTreeSet<Uuid>,
    pages: usize,
}

#[test]
fn a_walk_repeats_nothing_and_misses_nothing_while_others_write() {
    let seed = load::seed();
    let ground = Ground::new("lists_walk");
    let (cast, mut clock) = (cast(), Clock::default());
    let mut owner = ground.owner(0);
    let beginning: Vec<_> = cast
        .beginning(&mut clock)
        .iter()
        .map(Event::structured)
        .collect();
    owner.apply(&beginning).expect("applied");
    let (bob, plan) = (cast.bob, cast.plan);
    let documents = [&cast.still[..], &cast.wide].concat();
    let lists = [
        (
            format!("list_documents('{bob}', 'viewer', 'last_modified', $1, $2)"),
            "document_id",
            &documents,
        ),
        (
            format!("list_documents('{bob}', 'viewer', 'id', $1, $2)"),
            "document_id",
            &documents,
        ),
        (
            format!("list_principals('{plan}', 'viewer', $1, $2)"),
            "principal_id",
            &cast.holders,
        ),
        (
            format!("list_permissions('{plan}', $1, $2)"),
            "recipient_id",
            &cast.holders,
        ),
    ];
    let writing = Meanwhile::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut rng = StdRng::seed_from_u64(seed);
            writing.ask(|| {
                let events = cast.batch(&mut clock, &mut rng);
                let records: Vec<_> = events.iter().map(Event::structured).collect();
                owner.apply(&records).expect("applied");
            });
        });
        let walkers: Vec<_> = lists
            .iter()
            .enumerate()
            .map(|(n, (list, column, still))| {
                let mut client = ground.session();
                let mut rng = StdRng::seed_from_u64(seed.wrapping_add(n as u64));
                let writing = &writing;
                scope.spawn(move || {
                    let (mut walks, mut pages, mut changes) = (0, 0, 0);
                    while (walks < WALKS || changes < CHANGES) && !writing.is_over() {
                        let before = writing.asked();
                        let walked = walk(&mut client, list, column, &mut rng);
                        let missed: Vec<_> = still
                            .iter()
                            .filter(|id| !walked.seen.contains(id))
                            .collect();
                        assert!(missed.is_empty(), "{list} misses {missed:?}");
                        pages += walked.pages;
                        changes += writing.asked() - before;
                        walks += 1;
                    }
                    println!("{list}: {walks} walks, {pages} pages, {changes} batches meanwhile");
                })
            })
            .collect();
        let _ends = writing.ends();
        for walker in walkers {
            walker.join().expect("the walks");
        }
    });
}
