//! What all events leave.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::Level;
use super::facts::{Register, facts, modified_by};
use super::version::Version;
use crate::event::Event;

/// Each register with the version and value of the last event that spoke of it.
#[derive(Debug, Default)]
pub struct State {
    pub registers: BTreeMap<Register, (Version, Value)>,
    /// By document: the last event that changed what it says, and whose it was.
    pub modified: BTreeMap<Uuid, (Version, Uuid)>,
    purged: BTreeSet<Uuid>,
    pub memo: Memo,
}

/// What is derived from the registers, once it has been: they don't change any more.
#[derive(Debug, Default)]
pub struct Memo {
    pub edges: OnceCell<Vec<(Uuid, Uuid)>>,
    pub closures: RefCell<BTreeMap<Uuid, Rc<BTreeSet<Uuid>>>>,
    /// By document, the revoked ones left out.
    pub grants: OnceCell<BTreeMap<Uuid, Vec<Grant>>>,
    pub groups: OnceCell<BTreeSet<Uuid>>,
}

/// Recipient, level, and until when in microseconds since 1970.
pub type Grant = (Uuid, Level, Option<i64>);

impl State {
    /// In the order of versions a later event overwrites an earlier one; only a purge has no place
    /// in that order.
    pub fn after(told: &BTreeMap<Version, Event>) -> Self {
        let mut state = Self::default();
        let purges = told.values().filter(|e| e.kind == "document.purged");
        state.purged = purges.map(|event| event.subject).collect();
        for (version, event) in told {
            let of_document =
                event.kind.starts_with("document.") || event.kind.starts_with("permission.");
            if of_document && state.purged.contains(&event.subject) {
                continue;
            }
            for (register, value) in facts(event) {
                state.registers.insert(register, (version.clone(), value));
            }
            if let Some(by) = modified_by(event) {
                state.modified.insert(event.subject, (version.clone(), by));
            }
        }
        state
    }

    /// The value of a register; null when it holds none.
    pub fn value(&self, register: Register) -> &Value {
        let entry = self.registers.get(&register);
        entry.map_or(&Value::Null, |(_, value)| value)
    }

    pub fn texts(&self) -> BTreeMap<String, String> {
        let registers = self.registers.iter();
        let modified = self.modified.iter();
        let purged = self.purged.iter();
        registers
            .map(|(register, (version, value))| {
                (register.to_string(), format!("{version} {value}"))
            })
            .chain(modified.map(|(id, (version, by))| {
                let text = format!("{version} {}", json!({ "by": by }));
                (format!("document {id} modified"), text)
            }))
            .chain(purged.map(|id| (format!("document {id} purged"), String::new())))
            .collect()
    }

    /// Both ends of all registers, whoever a link was promoted to, and what was purged.
    pub fn ids(&self) -> BTreeSet<Uuid> {
        let mut ids = self.purged.clone();
        for (register, (_, value)) in &self.registers {
            match *register {
                Register::Document(id, _) | Register::Principal(id, _) => ids.extend([id]),
                Register::Membership(a, b) | Register::Permission(a, b) => ids.extend([a, b]),
            }
            if let Register::Principal(_, "promotion") = register {
                ids.extend(uuid(value));
            }
        }
        ids
    }
}

/// The uuid that a value is, if it is one.
pub fn uuid(value: &Value) -> Option<Uuid> {
    value.as_str()?.parse().ok()
}
