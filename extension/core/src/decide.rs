//! Joins facts with what the registers hold.
//!
//! Each register keeps the fact with the greatest version: a join-semilattice (Shapiro et al.,
//! "Conflict-free Replicated Data Types", 2011), so any order, duplication and batching of the
//! same events ends in the same registers. A purge is the greatest element of a document's
//! lattice: joined with anything it stays what it is.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use crate::event::Event;
use crate::fact::{DocumentRegister, Fact, Register, split};
use crate::version::Version;

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// A register took a fact of it.
    Applied,
    /// Every register that it speaks of holds just this version.
    Duplicate,
    /// It is older than what its registers hold, or its document is purged.
    Stale,
    /// It could not be read, and is kept in quarantine.
    Rejected,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 4] = [
        Outcome::Applied,
        Outcome::Duplicate,
        Outcome::Stale,
        Outcome::Rejected,
    ];

    /// The word of the SQL enum `deed.apply_outcome`.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::Duplicate => "duplicate",
            Outcome::Stale => "stale",
            Outcome::Rejected => "rejected",
        }
    }
}

/// What is stored before a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// The versions that registers hold; an absent register holds nothing.
    pub versions: HashMap<Register, Version>,
    /// The documents that are purged: they hold no register.
    pub purged: HashSet<Uuid>,
}

/// When and by whom a document was last modified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modification {
    /// The greatest version of creation, title, metadata and content.
    pub version: Version,
    /// Whose event that was.
    pub by: Uuid,
}

/// What a batch changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// What became of each event, in the order given.
    pub outcomes: Vec<Outcome>,
    /// The registers that change, each with its new version and fact.
    pub taken: BTreeMap<Register, (Version, Fact)>,
    /// The documents whose last modification changes.
    pub modified: BTreeMap<Uuid, Modification>,
    /// The documents that the batch purges, with the event that does and whoever purged it, if known.
    /// Nothing of theirs is taken, and all that they held goes.
    pub purged: BTreeMap<Uuid, (Version, Option<Uuid>)>,
    /// The registers that the batch spoke of before it purged their document.
    pub absorbed: BTreeSet<Register>,
}

/// Joins `events`, one after the other, with what is `held`.
///
/// The outcomes are those that applying the events one by one would give.
pub fn decide(held: &Held, events: &[Event]) -> Decision {
    let mut decision = Decision::default();
    for event in events {
        let outcome = decision.join(held, event);
        decision.outcomes.push(outcome);
    }
    decision
}

impl Decision {
    fn join(&mut self, held: &Held, event: &Event) -> Outcome {
        if let Some(document) = event.document()
            && (held.purged.contains(&document) || self.purged.contains_key(&document))
        {
            return Outcome::Stale;
        }
        let mut took = false;
        let mut all_held = true;
        for (register, fact) in split(event) {
            if let Fact::Purged { by } = fact {
                self.purge(event.subject, event.version.clone(), by);
                return Outcome::Applied;
            }
            let current = self
                .taken
                .get(&register)
                .map(|(version, _)| version)
                .or_else(|| held.versions.get(&register));
            match current.map(|version| event.version.cmp(version)) {
                None | Some(Ordering::Greater) => {
                    took = true;
                    self.note_modification(held, register, event, &fact);
                    self.taken.insert(register, (event.version.clone(), fact));
                }
                Some(Ordering::Equal) => {}
                Some(Ordering::Less) => all_held = false,
            }
        }
        match (took, all_held) {
            (true, _) => Outcome::Applied,
            (false, true) => Outcome::Duplicate,
            (false, false) => Outcome::Stale,
        }
    }

    fn purge(&mut self, document: Uuid, version: Version, by: Option<Uuid>) {
        let registers = Register::Document(document, DocumentRegister::Creation)
            ..=Register::Document(document, DocumentRegister::Lifecycle);
        let permission = |recipient| Register::Permission {
            document,
            recipient,
        };
        let permissions = permission(Uuid::nil())..=permission(Uuid::max());
        for of_document in [registers, permissions] {
            let taken: Vec<Register> = self.taken.range(of_document).map(|(r, _)| *r).collect();
            for register in taken {
                self.taken.remove(&register);
                self.absorbed.insert(register);
            }
        }
        self.modified.remove(&document);
        self.purged.insert(document, (version, by));
    }

    fn note_modification(&mut self, held: &Held, register: Register, event: &Event, fact: &Fact) {
        let (Register::Document(document, _), Some(by)) = (register, fact.modified_by()) else {
            return;
        };
        let held_version = || {
            use DocumentRegister::{Content, Creation, Metadata, Title};
            [Creation, Title, Metadata, Content]
                .into_iter()
                .filter_map(|part| held.versions.get(&Register::Document(document, part)))
                .max()
        };
        let latest = self.modified.get(&document).map(|m| &m.version);
        if latest.or_else(held_version) < Some(&event.version) {
            let modification = Modification {
                version: event.version.clone(),
                by,
            };
            self.modified.insert(document, modification);
        }
    }
}
