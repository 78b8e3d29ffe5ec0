//! The reference: all events are kept, and each question recomputes everything from them.
//!
//! Slow and plain on purpose: the events in the order of their versions, each overwriting what the
//! one before it said. Written from what the events are said to mean, apart from the product.
//!
//! - [`version`]: where an event stands in the order
//! - [`facts`]: what one event says
//! - [`state`]: what all of them leave
//! - [`access`]: who holds what, then; [`explain`]: by which ways

mod access;
mod explain;
mod facts;
mod state;
mod version;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::event::{Event, shortened};
pub use explain::Explanation;
use state::State;
pub use version::Version;

/// What a principal may do with a document; each level includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// `viewer`
    Viewer,
    /// `editor`
    Editor,
    /// `owner`
    Owner,
}

impl Level {
    /// Every level, ascending.
    pub const ALL: [Level; 3] = [Level::Viewer, Level::Editor, Level::Owner];

    /// The word in events and in SQL.
    pub fn word(self) -> &'static str {
        match self {
            Level::Viewer => "viewer",
            Level::Editor => "editor",
            Level::Owner => "owner",
        }
    }
}

/// The order of a list of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sort {
    /// `last_modified`: newest first, ties by id descending
    LastModified,
    /// `id`: ascending
    Id,
}

/// All that was told. `now` in its questions is RFC 3339 and decides alone which grants have
/// expired. Events must be valid: what would be quarantined is not for this model.
#[derive(Debug, Clone, Default)]
pub struct Model {
    told: BTreeMap<Version, Event>,
}

impl Model {
    /// Keeps an event. `tie` is the product's digest of it, and orders events equal in all else.
    pub fn tell(&mut self, event: Event, tie: [u8; 32]) {
        self.told.insert(Version::of(&event, tie), event);
    }

    /// The effective level, `everyone` and `users` included.
    pub fn level(&self, principal: Uuid, document: Uuid, now: &str) -> Option<Level> {
        self.state().level(principal, document, now)
    }

    /// What `explain_permission` gives, however many ways there are.
    pub fn explain(&self, principal: Uuid, document: Uuid, now: &str) -> Vec<Explanation> {
        self.state().explain(principal, document, now)
    }

    /// What `list_documents` gives, walked to its end.
    pub fn documents(
        &self,
        principal: Uuid,
        at_least: Level,
        sort: Sort,
        now: &str,
    ) -> Vec<(Uuid, Level)> {
        self.state().documents(principal, at_least, sort, now)
    }

    /// What `list_principals` gives: principals that are not groups, with their effective levels.
    pub fn principals(&self, document: Uuid, at_least: Level, now: &str) -> Vec<(Uuid, Level)> {
        self.state().principals(document, at_least, now)
    }

    /// What `list_permissions` gives: recipients, each with its own grant's level.
    pub fn permissions(&self, document: Uuid, now: &str) -> Vec<(Uuid, Level)> {
        self.state().permissions(document, now)
    }

    /// What `list_members` gives.
    pub fn members(&self, group: Uuid) -> Vec<Uuid> {
        self.state().members(group)
    }

    /// What `list_deleted` gives: the trash of what it would own, newest deleted first.
    pub fn deleted(&self, principal: Uuid, now: &str) -> Vec<Uuid> {
        self.state().deleted(principal, now)
    }

    /// The documents in `orphaned_documents`, by id.
    pub fn orphaned(&self, now: &str) -> Vec<Uuid> {
        self.state().orphaned(now)
    }

    /// Everything that is stored, as text: by register, such as `document ID title`, `principal ID
    /// lifecycle`, `membership GROUP MEMBER` or `permission DOCUMENT RECIPIENT`, the version that
    /// it holds and the value as JSON (times in microseconds since 1970, UTC). Derived from
    /// registers: `document ID modified`, with the version that moved it last and by whom. Of a
    /// purged document `document ID purged` stands alone.
    ///
    /// Values: `creation` {"by"}; `title`, `metadata`, `content`, `name`, `description`, `kind`,
    /// `token` and `promotion` themselves or null; `lifecycle` {"by", "gone": true} or {"gone": false};
    /// a membership {"by", "member"}; a permission {"by", "expires_at", "level"}.
    pub fn registers(&self) -> BTreeMap<String, String> {
        self.state().texts()
    }

    /// What has been told so far, for many questions about the same.
    pub fn settled(&self) -> Settled {
        Settled(self.state())
    }

    fn state(&self) -> State {
        State::after(&self.told)
    }
}

/// What a [`Model`] was told by some moment. It answers as the model did then, and recomputes
/// nothing that it has found once.
#[derive(Debug)]
pub struct Settled(State);

impl Settled {
    /// As [`Model::level`].
    pub fn level(&self, principal: Uuid, document: Uuid, now: &str) -> Option<Level> {
        self.0.level(principal, document, now)
    }

    /// As [`Model::documents`].
    pub fn documents(
        &self,
        principal: Uuid,
        at_least: Level,
        sort: Sort,
        now: &str,
    ) -> Vec<(Uuid, Level)> {
        self.0.documents(principal, at_least, sort, now)
    }

    /// As [`Model::principals`].
    pub fn principals(&self, document: Uuid, at_least: Level, now: &str) -> Vec<(Uuid, Level)> {
        self.0.principals(document, at_least, now)
    }

    /// Whether the lists of principals leave it out, for it is a group.
    pub fn is_group(&self, principal: Uuid) -> bool {
        self.0.is_group(principal)
    }

    /// Whether what `everyone` holds is the principal's.
    pub fn is_anyone(&self, principal: Uuid) -> bool {
        !self.0.removed(principal)
    }

    /// Whether what `users` holds is the principal's.
    pub fn is_user(&self, principal: Uuid) -> bool {
        self.0.is_user(principal)
    }
}

/// Where two answers of [`Model::registers`] differ, in lines to be read; none when they don't.
pub fn differences(
    found: &BTreeMap<String, String>,
    expected: &BTreeMap<String, String>,
) -> Vec<String> {
    let of = |side: &BTreeMap<String, String>, register| {
        side.get(register)
            .map_or("nothing", String::as_str)
            .to_owned()
    };
    let registers: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    registers
        .into_iter()
        .filter(|register| found.get(*register) != expected.get(*register))
        .map(|register| {
            let (found, expected) = (of(found, register), of(expected, register));
            shortened(&format!(
                "{register}: found {found}; the model says {expected}"
            ))
        })
        .collect()
}
