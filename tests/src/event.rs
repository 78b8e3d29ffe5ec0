//! CloudEvents, and the Kafka records that carry them.

use rdkafka::message::{Header, OwnedHeaders};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// A Kafka record as a producer sends it; nothing needs to be UTF-8 but the names of headers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// The key; the broker's default places equal keys in one partition.
    pub key: Option<Vec<u8>>,
    /// Name and value, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// The partition, when the key is not to choose it.
    pub partition: Option<i32>,
}

impl Record {
    /// The headers in librdkafka's form.
    pub fn headers(&self) -> OwnedHeaders {
        let empty = OwnedHeaders::new_with_capacity(self.headers.len());
        self.headers.iter().fold(empty, |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: value.as_deref(),
            })
        })
    }
}

/// A CloudEvent as Deed reads it.
#[derive(Debug, Clone, PartialEq)]
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
    /// `data`
    pub data: Value,
}

impl Event {
    /// The record in structured mode, keyed by subject.
    pub fn structured(&self) -> Record {
        let mut envelope: Map<String, Value> = self
            .attributes()
            .map(|(name, value)| (name.to_owned(), Value::String(value)))
            .into_iter()
            .collect();
        envelope.insert("data".to_owned(), self.data.clone());
        structured(
            &self.subject.to_string(),
            Value::Object(envelope).to_string(),
        )
    }

    /// The record in binary mode, keyed by subject.
    pub fn binary(&self) -> Record {
        let attributes = self.attributes();
        let headers = attributes
            .into_iter()
            .map(|(name, value)| (format!("ce_{name}"), Some(value.into_bytes())));
        Record {
            key: Some(self.subject.to_string().into_bytes()),
            headers: headers.collect(),
            value: Some(self.data.to_string().into_bytes()),
            partition: None,
        }
    }

    fn attributes(&self) -> [(&'static str, String); 6] {
        [
            ("specversion", "1.0".to_owned()),
            ("id", self.id.clone()),
            ("source", self.source.clone()),
            ("type", self.kind.clone()),
            ("subject", self.subject.to_string()),
            ("time", self.time.clone()),
        ]
    }
}

/// A record in structured mode whose value is any text.
pub fn structured(key: &str, value: impl Into<Vec<u8>>) -> Record {
    Record {
        key: Some(key.as_bytes().to_vec()),
        headers: vec![(
            "content-type".to_owned(),
            Some(b"application/cloudevents+json".to_vec()),
        )],
        value: Some(value.into()),
        partition: None,
    }
}

/// The uuid of a name: the same in every test, and in every run.
pub fn id(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("urn:deed:{name}").as_bytes())
}

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
            data,
        }
    }

    /// `document.created`, with a title
    pub fn created(&mut self, document: Uuid, by: Uuid, title: &str) -> Event {
        self.event(
            "document.created",
            document,
            json!({ "created_by": by, "title": title }),
        )
    }

    /// `document.deleted`
    pub fn deleted(&mut self, document: Uuid, by: Uuid) -> Event {
        self.event("document.deleted", document, json!({ "by": by }))
    }

    /// `principal.registered`
    pub fn registered(&mut self, principal: Uuid, kind: &str, name: &str) -> Event {
        self.event(
            "principal.registered",
            principal,
            json!({ "kind": kind, "name": name }),
        )
    }

    /// `permission.granted`
    pub fn granted(&mut self, document: Uuid, to: Uuid, level: &str, by: Uuid) -> Event {
        let data = json!({ "recipient": to, "level": level, "granted_by": by });
        self.event("permission.granted", document, data)
    }

    /// `permission.revoked`
    pub fn revoked(&mut self, document: Uuid, from: Uuid, by: Uuid) -> Event {
        let data = json!({ "recipient": from, "revoked_by": by });
        self.event("permission.revoked", document, data)
    }
}
