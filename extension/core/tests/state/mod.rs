//! What a database would hold, kept by `decide` alone.

use std::collections::{BTreeMap, HashSet};

use deed_core::decide::{Held, Modification, Outcome, decide};
use deed_core::event::Event;
use deed_core::fact::{DocumentRegister, Fact, PrincipalRegister, Register};
use deed_core::version::{Instant, Version};
use deed_model::event::Event as Told;
use deed_model::model::{self, Model};
use serde_json::{Value, json};
use uuid::Uuid;

/// What is held, and what comes of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct State {
    held: Held,
    facts: BTreeMap<Register, Fact>,
    modified: BTreeMap<Uuid, Modification>,
}

impl State {
    /// Decides on a batch and stores the decision as the database does: a purge takes all that the
    /// document held, then what was taken is written.
    pub fn apply(&mut self, batch: &[Event]) -> Vec<Outcome> {
        let decision = decide(&self.held, batch);
        if !decision.purged.is_empty() {
            let stays =
                |r: &Register| document(r).is_none_or(|id| !decision.purged.contains_key(&id));
            self.held.versions.retain(|register, _| stays(register));
            self.facts.retain(|register, _| stays(register));
            self.modified
                .retain(|id, _| !decision.purged.contains_key(id));
            self.held.purged.extend(decision.purged.keys());
        }
        for (register, (version, fact)) in decision.taken {
            self.held.versions.insert(register, version);
            self.facts.insert(register, fact);
        }
        self.modified.extend(decision.modified);
        decision.outcomes
    }

    /// Where it differs from what is [`expected`].
    pub fn differences(&self, expected: &BTreeMap<String, String>) -> Vec<String> {
        model::differences(&self.texts(), expected)
    }

    /// In the words of [`Model::registers`].
    fn texts(&self) -> BTreeMap<String, String> {
        let facts = self.facts.iter().map(|(register, fact)| {
            let version = text_of(&self.held.versions[register]);
            (key(register), format!("{version} {}", value(fact)))
        });
        let modified = self.modified.iter().map(|(id, modification)| {
            let version = text_of(&modification.version);
            let by = json!({ "by": modification.by });
            (format!("document {id} modified"), format!("{version} {by}"))
        });
        let purged: &HashSet<Uuid> = &self.held.purged;
        let purged = purged
            .iter()
            .map(|id| (format!("document {id} purged"), String::new()));
        facts.chain(modified).chain(purged).collect()
    }
}

/// The event as the product reads it.
pub fn read(event: &Told) -> Event {
    let latest = Instant::parse("latest", "9999-12-31T00:00:00Z").expect("a time");
    Event::from_structured(&event.envelope().to_string(), latest)
        .unwrap_or_else(|rejection| panic!("{rejection}: {event:?}"))
}

/// What the reference makes of the history that was read as `events`.
pub fn expected(history: &[Told], events: &[Event]) -> BTreeMap<String, String> {
    let mut model = Model::default();
    for (told, event) in history.iter().zip(events) {
        let digest = event.version.as_bytes().last_chunk();
        model.tell(told.clone(), *digest.expect("a digest"));
    }
    model.registers()
}

fn document(register: &Register) -> Option<Uuid> {
    match *register {
        Register::Document(id, _) | Register::Permission { document: id, .. } => Some(id),
        Register::Principal(..) | Register::Membership { .. } => None,
    }
}

fn text_of(version: &Version) -> String {
    let version = model::Version::stored(version.as_bytes());
    version.expect("a version as documented").to_string()
}

fn key(register: &Register) -> String {
    match register {
        Register::Document(id, register) => {
            let name = match register {
                DocumentRegister::Creation => "creation",
                DocumentRegister::Title => "title",
                DocumentRegister::Metadata => "metadata",
                DocumentRegister::Content => "content",
                DocumentRegister::Lifecycle => "lifecycle",
            };
            format!("document {id} {name}")
        }
        Register::Principal(id, register) => {
            let name = match register {
                PrincipalRegister::Kind => "kind",
                PrincipalRegister::Name => "name",
                PrincipalRegister::Description => "description",
                PrincipalRegister::Token => "token",
                PrincipalRegister::Lifecycle => "lifecycle",
                PrincipalRegister::Promotion => "promotion",
            };
            format!("principal {id} {name}")
        }
        Register::Membership { group, member } => format!("membership {group} {member}"),
        Register::Permission {
            document,
            recipient,
        } => format!("permission {document} {recipient}"),
    }
}

fn value(fact: &Fact) -> Value {
    let parsed = |text: &Option<String>| match text {
        Some(text) => serde_json::from_str(text).expect("canonical JSON"),
        None => Value::Null,
    };
    match fact {
        Fact::Creation { by } => json!({ "by": by }),
        Fact::Title { title, .. } => json!(title),
        Fact::Metadata { metadata: text, .. } | Fact::Content { content: text, .. } => parsed(text),
        Fact::Deleted { by } | Fact::Removed { by } => json!({ "gone": true, "by": by }),
        Fact::Restored { .. } => json!({ "gone": false }),
        Fact::Purged { .. } => panic!("a purge is no register's"),
        Fact::Kind(kind) => json!(kind.word()),
        Fact::Name(text) | Fact::Description(text) => json!(text),
        Fact::Token(token) => {
            json!(token.map(|bytes| data_encoding::HEXLOWER.encode(&bytes)))
        }
        Fact::Promoted { user } => json!(user),
        Fact::Membership { member, by } => json!({ "member": member, "by": by }),
        Fact::Permission {
            level,
            by,
            expires_at,
        } => {
            let expires_at = expires_at.map(|at| at.unix_nanos().div_euclid(1_000) as i64);
            let level = level.map(deed_core::Level::word);
            json!({ "level": level, "by": by, "expires_at": expires_at })
        }
    }
}
