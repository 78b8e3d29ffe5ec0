//! Two batches, one of which waits for the other to commit: every pair of some events that meet in
//! a document, or among groups.

use std::thread;
use std::time::Instant;

use deed_model::event::small;
use deed_tests::answers::Subjects;
use deed_tests::event::{Clock, Event};
use deed_tests::owner::Owner;
use deed_tests::process::wait_until;
use deed_tests::stage::DEADLINE;
use serde_json::json;
use uuid::Uuid;

use crate::ground::Ground;

/// Permissions up to which a document keeps its sort key beside each.
const NOT_WIDE: u8 = 100;

const PLAN: Uuid = small(0xd1);
const ANNE: Uuid = small(0xa1);
const BOB: Uuid = small(0xa2);
const CARA: Uuid = small(0xa3);
const LINK: Uuid = small(0xa4);
const TOP: Uuid = small(0xb1);
const MIDDLE: Uuid = small(0xb2);
const LOW: Uuid = small(0xb3);
const APART: Uuid = small(0xb4);

/// What has happened before, and the events of which every two are tried.
struct Theme {
    name: &'static str,
    before: Vec<Event>,
    events: Vec<Event>,
    subjects: Subjects,
}

fn a_document() -> Theme {
    let clock = &mut Clock::default();
    Theme {
        name: "a document",
        before: vec![
            clock.created(PLAN, ANNE, "Plan"),
            clock.granted(PLAN, BOB, "viewer", ANNE),
        ],
        events: events_of(clock),
        subjects: Subjects {
            principals: vec![ANNE, BOB, CARA],
            documents: vec![PLAN],
        },
    }
}

fn a_document_unknown_before() -> Theme {
    Theme {
        name: "a document unknown before",
        before: Vec::new(),
        ..a_document()
    }
}

fn a_document_in_the_trash() -> Theme {
    let clock = &mut Clock::default();
    let mut theme = a_document();
    theme.before = vec![clock.created(PLAN, ANNE, "Plan"), clock.deleted(PLAN, ANNE)];
    theme.name = "a document in the trash";
    theme
}

/// One permission more makes it wide.
fn a_document_almost_wide() -> Theme {
    let clock = &mut Clock::default();
    let mut before = vec![clock.created(PLAN, ANNE, "Plan")];
    for n in 3..NOT_WIDE + 2 {
        before.push(clock.granted(PLAN, small(n), "viewer", ANNE));
    }
    Theme {
        name: "a document almost wide",
        before,
        events: events_of(clock),
        subjects: Subjects {
            principals: vec![ANNE, BOB, CARA, small(3)],
            documents: vec![PLAN],
        },
    }
}

fn events_of(clock: &mut Clock) -> Vec<Event> {
    vec![
        clock.granted(PLAN, BOB, "editor", ANNE),
        clock.granted(PLAN, CARA, "viewer", ANNE),
        clock.created(PLAN, CARA, "Another"),
        clock.updated(PLAN, BOB, json!({ "title": "Changed" })),
        clock.revoked(PLAN, BOB, ANNE),
        clock.deleted(PLAN, ANNE),
        clock.restored(PLAN, ANNE),
        clock.updated(PLAN, ANNE, json!({ "content": 1 })),
        clock.purged(PLAN, ANNE),
    ]
}

/// A chain of groups, a link, and a group apart.
fn groups() -> Theme {
    let clock = &mut Clock::default();
    Theme {
        name: "groups",
        before: vec![
            clock.created(PLAN, ANNE, "Plan"),
            clock.granted(PLAN, TOP, "viewer", ANNE),
            clock.member_added(TOP, MIDDLE),
            clock.member_added(MIDDLE, LOW),
            clock.member_added(LOW, BOB),
        ],
        events: vec![
            clock.removed(MIDDLE),
            clock.member_added(APART, TOP),
            clock.member_added(LOW, APART),
            clock.member_removed(TOP, MIDDLE),
            clock.member_added(LINK, ANNE),
            clock.promoted(LINK, LOW),
            clock.promoted(LINK, BOB),
            clock.removed(LINK),
            clock.principal_restored(MIDDLE),
            clock.member_removed(LOW, BOB),
            clock.member_added(BOB, LINK),
            clock.member_added(TOP, MIDDLE),
            clock.member_added(ANNE, TOP),
            clock.registered(MIDDLE, "group", "Middle"),
        ],
        subjects: Subjects {
            principals: vec![TOP, MIDDLE, LOW, APART, ANNE, BOB, LINK],
            documents: vec![PLAN],
        },
    }
}

/// Whether the session waits for a lock.
fn waits(ground: &mut Ground, session: i32) -> bool {
    let query = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)";
    let row = ground.client().query_one(query, &[&session]);
    row.expect(query).get(0)
}

/// Applies `second` while `first` is applied and not committed; whether it had to wait for it.
fn overlap(ground: &mut Ground, one: &mut Owner, other: &mut Owner, pair: [&Event; 2]) -> bool {
    let session = other.client().query_one("SELECT pg_backend_pid()", &[]);
    let session: i32 = session.expect("a session").get(0);
    let [first, second] = pair.map(Event::structured);
    one.client().batch_execute("BEGIN").expect("begun");
    one.apply(&[first]).expect("the first");
    thread::scope(|scope| {
        let second = scope.spawn(|| other.apply(&[second]).expect("the second"));
        let waited = wait_until("the second is applied or waits", DEADLINE, || {
            // It may end between the two looks, but not while it waits.
            match (waits(ground, session), second.is_finished()) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            }
        });
        one.client().batch_execute("COMMIT").expect("committed");
        second.join().expect("the second");
        waited.expect("the second")
    })
}

#[test]
fn a_batch_sees_what_it_had_to_wait_for() {
    let began = Instant::now();
    let mut ground = Ground::new("concurrent_pairs");
    let (mut one, mut other) = (ground.owner(0), ground.owner(1));
    let mut failures = Vec::new();
    for theme in [
        a_document(),
        a_document_unknown_before(),
        a_document_in_the_trash(),
        a_document_almost_wide(),
        groups(),
    ] {
        let (mut pairs, mut waited) = (0, 0);
        for first in &theme.events {
            for second in &theme.events {
                ground.clear();
                if !theme.before.is_empty() {
                    let before: Vec<_> = theme.before.iter().map(Event::structured).collect();
                    one.apply(&before).expect("what was before");
                }
                let has_waited = overlap(&mut ground, &mut one, &mut other, [first, second]);
                waited += usize::from(has_waited);
                pairs += 1;
                let events = [&theme.before[..], &[first.clone(), second.clone()]].concat();
                if let Err(difference) = ground.judge(&events, &theme.subjects, 50) {
                    let waited = if has_waited { "waited" } else { "did not wait" };
                    failures.push(format!(
                        "{}:\n  {first:?}\nand meanwhile, {waited}:\n  {second:?}\n{difference}",
                        theme.name
                    ));
                }
            }
        }
        println!(
            "{}: {pairs} pairs, {waited} times the second waited",
            theme.name
        );
        assert!(waited > 0, "{}: nothing met", theme.name);
    }
    println!("{:.0?}", began.elapsed());
    assert!(
        failures.is_empty(),
        "{} pairs, first:\n{}",
        failures.len(),
        failures[0]
    );
}
