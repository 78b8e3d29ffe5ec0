//! Where the relay must look: what one transaction can't tell, for it may concern any number of documents, or
//! be changed by two that don't see each other.
//!
//! A mark is written by whoever changes something, and looked at after its commit. So of two that change one
//! pair the mark of the later one is looked at when both can be seen.

use std::collections::BTreeMap;

use deed_core::version::Version;
use uuid::Uuid;

use crate::pg::ids::sql_uuid;
use crate::pg::spi::{self, arg};
use crate::traces::Traces;

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The members of a principal whose reach changed: each becomes a mark of its own if it is watched.
    Group,
    /// The watched levels of one principal.
    Principal,
    /// The watched levels on one document.
    Document,
    /// One watched level.
    Pair,
    /// Whether the documents that a principal owns have another owner.
    Owner,
    /// Whether one document has an owner.
    Owned,
}

impl Kind {
    /// The word of the SQL enum `deed.mark_kind`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Group => "group",
            Kind::Principal => "principal",
            Kind::Document => "document",
            Kind::Pair => "pair",
            Kind::Owner => "owner",
            Kind::Owned => "owned",
        }
    }
}

/// Each with the event that is why, where it is known; of several the greatest.
pub struct Causes<K>(pub BTreeMap<K, Option<Version>>);

impl<K> Default for Causes<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Causes<K> {
    /// Adds one.
    pub fn add(&mut self, of: K, cause: Option<&Version>) {
        let held = self.0.entry(of).or_default();
        if held.as_ref() < cause {
            *held = cause.cloned();
        }
    }

    /// Why this one is there.
    pub fn cause(&self, of: &K) -> Option<&Version> {
        self.0.get(of)?.as_ref()
    }
}

/// Marks to be written, one a subject.
#[derive(Default)]
pub struct Marks(Causes<(Kind, Uuid, Option<Uuid>)>);

impl Marks {
    /// Adds one.
    pub fn add(&mut self, kind: Kind, subject: Uuid, cause: Option<&Version>) {
        self.0.add((kind, subject, None), cause);
    }

    /// Adds one of a pair.
    pub fn add_pair(&mut self, document: Uuid, principal: Uuid, cause: Option<&Version>) {
        self.0.add((Kind::Pair, document, Some(principal)), cause);
    }

    /// Writes them.
    pub fn write(self, traces: &Traces) {
        if self.0.0.is_empty() {
            return;
        }
        let mut kinds = Vec::new();
        let mut subjects = Vec::new();
        let mut others = Vec::new();
        let mut causes = Vec::new();
        let mut traceparents = Vec::new();
        for ((kind, subject, other), cause) in &self.0.0 {
            kinds.push(kind.word());
            subjects.push(sql_uuid(*subject));
            others.push(other.map(sql_uuid));
            causes.push(cause.as_ref().map(|version| version.as_bytes().to_vec()));
            traceparents.push(traces.trace(cause.as_ref()));
        }
        spi::execute(
            "INSERT INTO deed.mark (kind, subject_id, other_id, cause, traceparent) \
             SELECT n.kind::deed.mark_kind, n.subject_id, n.other_id, n.cause, n.traceparent \
             FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5)) \
               AS n (kind, subject_id, other_id, cause, traceparent)",
            &[
                arg(kinds),
                arg(subjects),
                arg(others),
                arg(causes),
                arg(traceparents),
            ],
        );
    }
}
