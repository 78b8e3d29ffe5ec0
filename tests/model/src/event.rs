//! CloudEvents as Deed reads them.

use std::fmt;

use serde_json::{Map, Value, json};
use uuid::Uuid;

/// A CloudEvent. Its `Debug` is one line, so that a history prints as a list.
#[derive(Clone, PartialEq)]
pub struct Event {
    /// `id`
    pub id: String,
    /// `source`
    pub source: String,
    /// `type`
    pub kind: String,
    /// `subject`
    pub subject: Uuid,
    /// `time`, RFC 3339
    pub time: String,
    /// `sequence`
    pub sequence: Option<String>,
    /// `data`
    pub data: Value,
}

impl Event {
    /// The whole event as a structured-mode JSON document.
    pub fn envelope(&self) -> Value {
        let attributes = self.attributes().into_iter();
        let mut envelope: Map<String, Value> = attributes
            .map(|(name, value)| (name.to_owned(), Value::String(value)))
            .collect();
        envelope.insert("data".to_owned(), self.data.clone());
        Value::Object(envelope)
    }

    pub(crate) fn attributes(&self) -> Vec<(&'static str, String)> {
        let mut attributes = vec![
            ("specversion", "1.0".to_owned()),
            ("id", self.id.clone()),
            ("source", self.source.clone()),
            ("type", self.kind.clone()),
            ("subject", self.subject.to_string()),
            ("time", self.time.clone()),
        ];
        let sequence = self.sequence.clone();
        attributes.extend(sequence.map(|sequence| ("sequence", sequence)));
        attributes
    }
}

/// Leaves out the leading zeros that the ids of [`small`] share.
pub(crate) fn shortened(text: &str) -> String {
    text.replace("00000000-0000-0000-0000-0000000000", "")
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sequence = self.sequence.as_ref();
        let line = format!(
            "{} {}{} {} {} {} {}",
            self.time,
            sequence.map_or_else(String::new, |sequence| format!("#{sequence} ")),
            self.id,
            self.source,
            self.kind,
            self.subject,
            self.data
        );
        f.write_str(&shortened(&line))
    }
}

/// The uuid of a name: the same in every test, and in every run.
pub fn id(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("urn:deed:{name}").as_bytes())
}

/// A uuid that prints as two hexadecimal digits. 1 and 2 are those of the built-in recipients.
pub const fn small(digits: u8) -> Uuid {
    Uuid::from_u128(digits as u128)
}

/// What expires then has expired, whenever a test runs.
pub const PAST: &str = "2020-01-01T00:00:00Z";

/// What expires then lives, whenever a test runs.
pub const FUTURE: &str = "9999-01-01T00:00:00Z";

/// Makes events, each a millisecond after the one before.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    events: u32,
}

impl Clock {
    /// An event that is later than all before.
    pub fn event(&mut self, kind: &str, subject: Uuid, data: Value) -> Event {
        self.events += 1;
        let (seconds, millis) = (self.events / 1_000, self.events % 1_000);
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        let (hours, minutes) = (minutes / 60, minutes % 60);
        Event {
            id: format!("event-{}", self.events),
            source: "/tests".to_owned(),
            kind: kind.to_owned(),
            subject,
            time: format!("2026-01-01T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z"),
            sequence: None,
            data,
        }
    }

    /// `document.created`, with a title
    pub fn created(&mut self, document: Uuid, by: Uuid, title: &str) -> Event {
        let data = json!({ "created_by": by, "title": title });
        self.event("document.created", document, data)
    }

    /// `document.updated`; `parts` is an object with any of title, metadata and content
    pub fn updated(&mut self, document: Uuid, by: Uuid, parts: Value) -> Event {
        let mut data = parts;
        data["updated_by"] = json!(by);
        self.event("document.updated", document, data)
    }

    /// `document.deleted`
    pub fn deleted(&mut self, document: Uuid, by: Uuid) -> Event {
        self.event("document.deleted", document, json!({ "by": by }))
    }

    /// `document.restored`
    pub fn restored(&mut self, document: Uuid, by: Uuid) -> Event {
        self.event("document.restored", document, json!({ "by": by }))
    }

    /// `document.purged`
    pub fn purged(&mut self, document: Uuid, by: Uuid) -> Event {
        self.event("document.purged", document, json!({ "by": by }))
    }

    /// `principal.registered`
    pub fn registered(&mut self, principal: Uuid, kind: &str, name: &str) -> Event {
        let data = json!({ "kind": kind, "name": name });
        self.event("principal.registered", principal, data)
    }

    /// `principal.updated`; `parts` is an object with any of name, description and token_sha256
    pub fn principal_updated(&mut self, principal: Uuid, parts: Value) -> Event {
        self.event("principal.updated", principal, parts)
    }

    /// `principal.removed`, by nobody known
    pub fn removed(&mut self, principal: Uuid) -> Event {
        self.event("principal.removed", principal, json!({}))
    }

    /// `principal.restored`, by nobody known
    pub fn principal_restored(&mut self, principal: Uuid) -> Event {
        self.event("principal.restored", principal, json!({}))
    }

    /// `principal.promoted`: `user` takes `link` over
    pub fn promoted(&mut self, link: Uuid, user: Uuid) -> Event {
        self.event("principal.promoted", link, json!({ "user": user }))
    }

    /// `group.member_added`, by nobody known
    pub fn member_added(&mut self, group: Uuid, member: Uuid) -> Event {
        self.event("group.member_added", group, json!({ "member": member }))
    }

    /// `group.member_removed`, by nobody known
    pub fn member_removed(&mut self, group: Uuid, member: Uuid) -> Event {
        self.event("group.member_removed", group, json!({ "member": member }))
    }

    /// `permission.granted`, for ever
    pub fn granted(&mut self, document: Uuid, to: Uuid, level: &str, by: Uuid) -> Event {
        let data = json!({ "recipient": to, "level": level, "granted_by": by });
        self.event("permission.granted", document, data)
    }

    /// `permission.granted` until `expires_at`, RFC 3339
    pub fn granted_until(
        &mut self,
        document: Uuid,
        to: Uuid,
        level: &str,
        by: Uuid,
        expires_at: &str,
    ) -> Event {
        let mut event = self.granted(document, to, level, by);
        event.data["expires_at"] = json!(expires_at);
        event
    }

    /// `permission.revoked`
    pub fn revoked(&mut self, document: Uuid, from: Uuid, by: Uuid) -> Event {
        let data = json!({ "recipient": from, "revoked_by": by });
        self.event("permission.revoked", document, data)
    }
}
