//! What becomes of records that can't be applied, in the words of Kafka Connect (KIP-298).

use std::collections::BTreeMap;

use super::ERRORS;
use super::checking::topic_name;
use crate::error::Error;

/// Copies that Kafka Connect makes of a dead-letter topic.
const REPLICATION: i32 = 3;

/// What becomes of records that can't be applied.
#[derive(Clone, Debug)]
pub struct Errors {
    /// Whether such a record is quarantined and the rest goes on; else its partition stops at it.
    pub tolerant: bool,
    /// Where they go as well.
    pub dead_letters: Option<String>,
    /// How many copies that topic is made with, when it isn't there.
    pub replication: i32,
    /// Whether they say in headers where they come from and what was wrong.
    pub context_headers: bool,
}

impl Errors {
    /// From the keys below `errors`.
    pub fn read(mut given: BTreeMap<String, String>) -> Result<Self, Error> {
        let [tolerance, topic, replication, context] = ERRORS.map(|key| (key, given.remove(key)));
        if let Some(key) = given.keys().next() {
            return Err(Error::Config(format!(
                "unknown key {key}: expected {}",
                ERRORS.join(", ")
            )));
        }
        let wrong = |key: &str, expected: &str, value: &str| {
            Error::Config(format!("{key}: expected {expected}, got {value:?}"))
        };
        let tolerant = match tolerance.1.as_deref() {
            None | Some("all") => true,
            Some("none") => false,
            Some(other) => return Err(wrong(tolerance.0, "all or none", other)),
        };
        let dead_letters = topic.1.filter(|name| !name.is_empty());
        if let Some(name) = &dead_letters {
            topic_name(topic.0, name)?;
        }
        let replication = match replication {
            (_, None) => REPLICATION,
            (key, Some(text)) => match text.parse() {
                Ok(count @ 1..=32_767) => count,
                _ => return Err(wrong(key, "a number of copies, 1 or more", &text)),
            },
        };
        let context_headers = match context.1.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => return Err(wrong(context.0, "true or false", other)),
        };
        if dead_letters.is_some() && !tolerant {
            return Err(Error::Config(format!(
                "{} is set, but {} = none lets no record go there: set it to all",
                topic.0, tolerance.0
            )));
        }
        Ok(Errors {
            tolerant,
            dead_letters,
            replication,
            context_headers,
        })
    }
}
