//! Kafka records as producers send them.

use crate::event::Event;

/// A Kafka record; nothing needs to be UTF-8 but the names of headers.
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

impl Event {
    /// The record in structured mode, keyed by subject.
    pub fn structured(&self) -> Record {
        structured(&self.subject.to_string(), self.envelope().to_string())
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
