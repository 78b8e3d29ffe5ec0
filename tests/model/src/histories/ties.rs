//! What the parts of a version after the time decide.

use serde_json::{Value, json};

use super::{ANNE, BOB, History, PLAN, TEAM};
use crate::event::{Clock, Event};

pub fn all() -> Vec<History> {
    let clock = &mut Clock::default();
    vec![
        (
            "equal times without sequence: the ids decide",
            at_once([
                clock.granted(PLAN, BOB, "viewer", ANNE),
                clock.granted(PLAN, BOB, "editor", ANNE),
                clock.revoked(PLAN, BOB, ANNE),
            ]),
        ),
        (
            "equal times with sequence: by its bytes, none before any",
            at_once([
                numbered("9", clock.granted(PLAN, BOB, "viewer", ANNE)),
                numbered("10", clock.granted(PLAN, BOB, "owner", ANNE)),
                clock.revoked(PLAN, BOB, ANNE),
                numbered("", clock.granted(PLAN, BOB, "editor", ANNE)),
            ]),
        ),
        (
            "one id with other content: the digest decides",
            under_one_id([
                clock.created(PLAN, ANNE, "One"),
                clock.created(PLAN, BOB, "Two"),
                clock.updated(PLAN, ANNE, json!({ "title": "Three", "content": null })),
                clock.revoked(PLAN, ANNE, BOB),
            ]),
        ),
        (
            "one id, deleted, restored and purged at once",
            under_one_id([
                clock.created(PLAN, ANNE, "Plan"),
                clock.deleted(PLAN, ANNE),
                clock.restored(PLAN, ANNE),
                clock.purged(PLAN, ANNE),
            ]),
        ),
        (
            "one instant in two spellings, and a nanosecond later",
            [
                ("2026-01-01T00:00:00.5Z", "viewer"),
                ("2026-01-01T01:00:00.500+01:00", "editor"),
                ("2026-01-01T00:00:00.500000001Z", "owner"),
                ("2026-01-01T00:00:00.5000000009Z", "viewer"),
            ]
            .map(|(time, level)| Event {
                time: time.to_owned(),
                ..clock.granted(PLAN, BOB, level, ANNE)
            })
            .to_vec(),
        ),
        (
            "one id from two sources, for a member added and removed",
            under_one_id([
                clock.member_added(TEAM, ANNE),
                from("/other", clock.member_removed(TEAM, ANNE)),
                from("/", with(clock.member_added(TEAM, ANNE), "by", json!(BOB))),
            ]),
        ),
    ]
}

fn at_once<const N: usize>(events: [Event; N]) -> Vec<Event> {
    let time = events[0].time.clone();
    let at = |event| Event {
        time: time.clone(),
        ..event
    };
    events.map(at).to_vec()
}

fn under_one_id<const N: usize>(events: [Event; N]) -> Vec<Event> {
    let id = events[0].id.clone();
    let under = |event| Event {
        id: id.clone(),
        ..event
    };
    at_once(events).into_iter().map(under).collect()
}

fn numbered(sequence: &str, event: Event) -> Event {
    Event {
        sequence: Some(sequence.to_owned()),
        ..event
    }
}

fn from(source: &str, event: Event) -> Event {
    Event {
        source: source.to_owned(),
        ..event
    }
}

fn with(mut event: Event, member: &str, value: Value) -> Event {
    event.data[member] = value;
    event
}
