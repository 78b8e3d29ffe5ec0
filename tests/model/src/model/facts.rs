//! What one event says: a value for each register that it speaks of.

use std::fmt;

use serde_json::{Value, json};
use uuid::Uuid;

use super::version::micros;
use crate::event::Event;

pub const EVERYONE: Uuid = Uuid::from_u128(1);
pub const USERS: Uuid = Uuid::from_u128(2);

/// A place for one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Register {
    Document(Uuid, &'static str),
    Principal(Uuid, &'static str),
    /// The group, then the member.
    Membership(Uuid, Uuid),
    /// The document, then the recipient.
    Permission(Uuid, Uuid),
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document(id, name) => write!(f, "document {id} {name}"),
            Self::Principal(id, name) => write!(f, "principal {id} {name}"),
            Self::Membership(group, member) => write!(f, "membership {group} {member}"),
            Self::Permission(document, to) => write!(f, "permission {document} {to}"),
        }
    }
}

/// What `event` says, if it is no purge: that says nothing of registers, it ends them.
pub fn facts(event: &Event) -> Vec<(Register, Value)> {
    let (subject, data) = (event.subject, &event.data);
    let document = |name| Register::Document(subject, name);
    let principal = |name| Register::Principal(subject, name);
    let permission = |to, level: &Value, by: Uuid, expires_at: Option<i128>| {
        let expires_at = expires_at.map(|micros| micros as i64);
        let value = json!({ "level": level, "by": by, "expires_at": expires_at });
        (Register::Permission(subject, to), value)
    };
    let membership = |member| {
        let register = Register::Membership(subject, uuid(&data["member"]));
        (register, json!({ "member": member, "by": known(data) }))
    };
    let gone = || json!({ "gone": true, "by": known(data) });
    let back = || json!({ "gone": false });
    match event.kind.as_str() {
        "document.created" => {
            let by = uuid(&data["created_by"]);
            let mut facts = parts(event, &["title", "metadata", "content"], document);
            facts.push((document("creation"), json!({ "by": by })));
            facts.push(permission(by, &json!("owner"), by, None));
            facts
        }
        "document.updated" => parts(event, &["title", "metadata", "content"], document),
        "document.deleted" => vec![(document("lifecycle"), gone())],
        "document.restored" => vec![(document("lifecycle"), back())],
        "principal.registered" => {
            let mut facts = principal_parts(event);
            facts.push((principal("kind"), data["kind"].clone()));
            facts
        }
        "principal.updated" => principal_parts(event),
        "principal.removed" => vec![(principal("lifecycle"), gone())],
        "principal.restored" => vec![(principal("lifecycle"), back())],
        "principal.promoted" => vec![(principal("promotion"), json!(uuid(&data["user"])))],
        "group.member_added" => vec![membership(true)],
        "group.member_removed" => vec![membership(false)],
        "permission.granted" => {
            let expires_at = data.get("expires_at").and_then(Value::as_str).map(micros);
            let by = uuid(&data["granted_by"]);
            let to = recipient(&data["recipient"]);
            vec![permission(to, &data["level"], by, expires_at)]
        }
        "permission.revoked" => {
            let by = uuid(&data["revoked_by"]);
            let from = recipient(&data["recipient"]);
            vec![permission(from, &Value::Null, by, None)]
        }
        other => panic!("{other} is no event of the contract"),
    }
}

/// Who changed what the document itself says, if the event changes that.
pub fn modified_by(event: &Event) -> Option<Uuid> {
    let data = &event.data;
    let updates = ["title", "metadata", "content"]
        .iter()
        .any(|part| data.get(part).is_some());
    match event.kind.as_str() {
        "document.created" => Some(uuid(&data["created_by"])),
        "document.updated" if updates => Some(uuid(&data["updated_by"])),
        _ => None,
    }
}

/// The members that are there: null is a value, absent is none.
fn parts(
    event: &Event,
    names: &[&'static str],
    register: impl Fn(&'static str) -> Register,
) -> Vec<(Register, Value)> {
    let present = names.iter().filter_map(|name| {
        let value = event.data.get(name)?;
        Some((register(name), value.clone()))
    });
    present.collect()
}

fn principal_parts(event: &Event) -> Vec<(Register, Value)> {
    let principal = |name| Register::Principal(event.subject, name);
    let mut facts = parts(event, &["name", "description"], principal);
    if let Some(token) = event.data.get("token_sha256") {
        let digits = token.as_str().map(str::to_ascii_lowercase);
        facts.push((principal("token"), json!(digits)));
    }
    facts
}

fn uuid(value: &Value) -> Uuid {
    let text = value.as_str().expect("a string");
    text.parse().expect("a uuid")
}

/// The recipient, which may be one of the built-in words.
fn recipient(value: &Value) -> Uuid {
    match value.as_str() {
        Some("everyone") => EVERYONE,
        Some("users") => USERS,
        _ => uuid(value),
    }
}

/// Who acted; absent and null both mean unknown.
fn known(data: &Value) -> Option<Uuid> {
    data.get("by").filter(|by| !by.is_null()).map(uuid)
}
