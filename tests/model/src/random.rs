//! Histories drawn at random, from pools so small that events meet, tie and contradict each other.

use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::event::{Event, FUTURE, PAST, small};

/// The documents that random histories are about.
pub const DOCUMENTS: [Uuid; 3] = [small(0xd1), small(0xd2), small(0xd3)];

/// The principals. Any of them may be registered as anything, have members, be in others, be
/// promoted and act.
pub const PRINCIPALS: [Uuid; 6] = [
    small(0xa1),
    small(0xa2),
    small(0xa3),
    small(0xa4),
    small(0xa5),
    small(0xa6),
];

/// As often as each type is drawn. Where nothing else fails a history shrinks to the first.
const KINDS: &[&str] = &[
    "document.created",
    "document.created",
    "document.created",
    "document.created",
    "document.updated",
    "document.updated",
    "document.deleted",
    "document.restored",
    "document.purged",
    "principal.registered",
    "principal.registered",
    "principal.registered",
    "principal.updated",
    "principal.updated",
    "principal.removed",
    "principal.removed",
    "principal.restored",
    "principal.restored",
    "principal.promoted",
    "principal.promoted",
    "group.member_added",
    "group.member_added",
    "group.member_added",
    "group.member_added",
    "group.member_added",
    "group.member_removed",
    "group.member_removed",
    "permission.granted",
    "permission.granted",
    "permission.granted",
    "permission.granted",
    "permission.granted",
    "permission.revoked",
    "permission.revoked",
];

/// The first two are one instant; the third is the same microsecond.
const TIMES: &[&str] = &[
    "2026-01-01T00:00:01Z",
    "2026-01-01T01:00:01+01:00",
    "2026-01-01T00:00:01.000000001Z",
    "2026-01-01T00:00:02Z",
    "2026-01-01T00:00:03Z",
    "2026-01-01T00:00:04.5Z",
];

const SEQUENCES: &[Option<&str>] = &[None, None, None, Some("1"), Some("2"), Some("10")];
const IDS: &[&str] = &["x", "x", "y", "zz"];
const SOURCES: &[&str] = &["/a", "/a", "/a", "/b"];

/// A history of that many events.
pub fn history_of(events: RangeInclusive<usize>) -> impl Strategy<Value = Vec<Event>> {
    vec(event(), events)
}

/// One event of any type.
pub fn event() -> impl Strategy<Value = Event> {
    let place = (
        select(TIMES),
        select(SEQUENCES),
        select(IDS),
        select(SOURCES),
    );
    let who = (
        select(&DOCUMENTS[..]),
        select(&PRINCIPALS[..]),
        select(&PRINCIPALS[..]),
    );
    (select(KINDS), place, who, 0_u8..192).prop_map(
        |(kind, (time, sequence, id, source), (document, one, other), choice)| Event {
            id: id.to_owned(),
            source: source.to_owned(),
            kind: kind.to_owned(),
            subject: match kind.starts_with("document.") || kind.starts_with("permission.") {
                true => document,
                false => one,
            },
            time: time.to_owned(),
            sequence: sequence.map(str::to_owned),
            data: data(kind, one, other, choice),
        },
    )
}

/// The members of one type; `choice` picks their values, and which of the optional ones are there.
fn data(kind: &str, one: Uuid, other: Uuid, choice: u8) -> Value {
    let mut choice = Choice(choice);
    match kind {
        "document.created" => parts(json!({ "created_by": one }), DOCUMENT_PARTS, choice),
        "document.updated" => parts(json!({ "updated_by": one }), DOCUMENT_PARTS, choice),
        "document.deleted" | "document.restored" | "document.purged" => {
            let by = [Some(one), None][choice.of(2)];
            json!({ "by": by })
        }
        "principal.registered" => {
            let kind = ["user", "anonymous", "group"][choice.of(3)];
            parts(json!({ "kind": kind }), PRINCIPAL_PARTS, choice)
        }
        "principal.updated" => parts(json!({}), PRINCIPAL_PARTS, choice),
        "principal.removed" | "principal.restored" => acted(json!({}), other, choice),
        "principal.promoted" => json!({ "user": other }),
        "group.member_added" | "group.member_removed" => {
            acted(json!({ "member": other }), one, choice)
        }
        "permission.granted" => {
            let level = ["viewer", "editor", "owner"][choice.of(3)];
            let expires_at = [
                None,
                Some(json!(FUTURE)),
                Some(json!(PAST)),
                Some(Value::Null),
            ];
            let expires_at = expires_at[choice.of(4)].clone();
            let mut data = json!({ "level": level, "granted_by": other });
            data["recipient"] = recipient(one, choice);
            if let Some(expires_at) = expires_at {
                data["expires_at"] = expires_at;
            }
            data
        }
        _ => json!({ "recipient": recipient(one, choice), "revoked_by": other }),
    }
}

/// One number that is spent digit by digit.
#[derive(Clone, Copy)]
struct Choice(u8);

impl Choice {
    fn of(&mut self, options: u8) -> usize {
        let chosen = self.0 % options;
        self.0 /= options;
        usize::from(chosen)
    }
}

const DOCUMENT_PARTS: [(&str, [&str; 2]); 3] = [
    ("title", [r#""Plan""#, r#""Draft""#]),
    ("metadata", [r#"{"n":1}"#, r#"{}"#]),
    ("content", [r#"[1,"two"]"#, "3"]),
];

const TOKEN: &str = r#""abababababababababababababababababababababababababababababababab""#;
const UPPER_CASE_TOKEN: &str =
    r#""CDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCD""#;

const PRINCIPAL_PARTS: [(&str, [&str; 2]); 3] = [
    ("name", [r#""Anne""#, r#""Bob""#]),
    ("description", [r#""Sales""#, r#""""#]),
    ("token_sha256", [TOKEN, UPPER_CASE_TOKEN]),
];

/// Each part absent, null or one of its values.
fn parts(mut data: Value, parts: [(&str, [&str; 2]); 3], mut choice: Choice) -> Value {
    for (name, values) in parts {
        let value = [None, Some(values[0]), Some("null"), Some(values[1])][choice.of(4)];
        if let Some(json) = value {
            data[name] = serde_json::from_str(json).expect("JSON");
        }
    }
    data
}

fn acted(mut data: Value, by: Uuid, mut choice: Choice) -> Value {
    if let Some(by) = [None, Some(json!(by)), Some(Value::Null)][choice.of(3)].clone() {
        data["by"] = by;
    }
    data
}

/// Mostly `one`; now and then a built-in recipient, by its word or by its id.
fn recipient(one: Uuid, mut choice: Choice) -> Value {
    match choice.of(6) {
        3 => json!("everyone"),
        4 => json!("users"),
        5 => json!(small(1)),
        _ => json!(one),
    }
}
