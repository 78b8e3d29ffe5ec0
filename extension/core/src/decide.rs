//! Joins facts with what the registers hold.
//!
//! Each register keeps the fact with the greatest version: a join-semilattice (Shapiro et al.,
//! "Conflict-free Replicated Data Types", 2011), so any order, duplication and batching of the
//! same events ends in the same registers.

use std::collections::{BTreeMap, HashMap};

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
    /// It is older than what its registers hold.
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

/// The versions that registers hold; an absent register holds nothing.
pub type Held = HashMap<Register, Version>;

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
}

/// Joins `events`, one after the other, with what is `held`.
///
/// The outcomes are those that applying the events one by one would give.
pub fn decide(held: &Held, events: &[Event]) -> Decision {
    let mut decision = Decision::default();
    for event in events {
        let mut took = false;
        let mut all_held = true;
        for (register, fact) in split(event) {
            let current = decision
                .taken
                .get(&register)
                .map(|(version, _)| version)
                .or_else(|| held.get(&register));
            match current.map(|version| event.version.cmp(version)) {
                None | Some(std::cmp::Ordering::Greater) => {
                    took = true;
                    note_modification(held, &mut decision.modified, register, event, &fact);
                    decision
                        .taken
                        .insert(register, (event.version.clone(), fact));
                }
                Some(std::cmp::Ordering::Equal) => {}
                Some(std::cmp::Ordering::Less) => all_held = false,
            }
        }
        decision.outcomes.push(match (took, all_held) {
            (true, _) => Outcome::Applied,
            (false, true) => Outcome::Duplicate,
            (false, false) => Outcome::Stale,
        });
    }
    decision
}

fn note_modification(
    held: &Held,
    modified: &mut BTreeMap<Uuid, Modification>,
    register: Register,
    event: &Event,
    fact: &Fact,
) {
    let (Register::Document(document, _), Some(by)) = (register, fact.modified_by()) else {
        return;
    };
    let held_version = || {
        use DocumentRegister::{Content, Creation, Metadata, Title};
        [Creation, Title, Metadata, Content]
            .into_iter()
            .filter_map(|part| held.get(&Register::Document(document, part)))
            .max()
    };
    let latest = modified.get(&document).map(|m| &m.version);
    if latest.or_else(held_version) < Some(&event.version) {
        modified.insert(
            document,
            Modification {
                version: event.version.clone(),
                by,
            },
        );
    }
}
