//! The events that go out: what they say, and the ids by which a repeated one is known.
//!
//! An event follows a change of value. Its id is a digest of what changed and why, so that whoever tells
//! of the same change again gives it the same id.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::version::{Instant, Version};
use crate::{EVERYONE, Level, RecipientKind, USERS};

/// One event, ready for the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// Equal for the same change, however often it is told.
    pub id: Uuid,
    /// What kind of thing it is about: `document`, `group` or `principal`.
    pub aggregate: &'static str,
    /// The document, group or principal: CloudEvents `subject` and the record's key.
    pub subject: Uuid,
    /// The CloudEvents `type`.
    pub kind: &'static str,
    /// The members of `data`, as JSON text.
    pub data: String,
    /// The version of the inbound event that is why, if one is.
    pub cause: Option<Version>,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The document went to the trash.
    DocumentDeleted {
        /// Whoever did it, if known.
        by: Option<Uuid>,
    },
    /// It came back.
    DocumentRestored {
        /// Whoever did it, if known.
        by: Option<Uuid>,
    },
    /// It is gone for good, and all permissions on it.
    DocumentPurged {
        /// Whoever did it, if known.
        by: Option<Uuid>,
    },
    /// Nobody owns it any more.
    DocumentOrphaned,
    /// What one recipient is granted on the document.
    Permission {
        /// The recipient.
        recipient: Uuid,
        /// What that is, if known.
        recipient_kind: Option<RecipientKind>,
        /// What was granted before.
        old: Option<Level>,
        /// What is granted now.
        new: Option<Level>,
        /// Until when; none is for ever.
        expires_at: Option<Instant>,
    },
    /// The effective level of a watched pair.
    Access {
        /// The principal.
        principal: Uuid,
        /// Its level before.
        old: Option<Level>,
        /// Its level now.
        new: Option<Level>,
    },
    /// Who is in the group.
    Group {
        /// The member.
        member: Uuid,
        /// Whether it was added; else it was removed.
        added: bool,
    },
    /// The principal was removed.
    PrincipalRemoved,
    /// It was restored.
    PrincipalRestored,
    /// The share-link identity was taken over.
    PrincipalPromoted {
        /// By whom.
        user: Uuid,
    },
}

/// Why something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause<'a> {
    /// An inbound event, by its version.
    Event(&'a Version),
    /// A grant of this version reached its expiry.
    Expiry(&'a Version),
    /// What was told last is no longer so, because of this event where it is known. The number sets
    /// apart changes to and fro that one event may bring about.
    Evaluation(Option<&'a Version>, i64),
}

impl Outbound {
    /// The event that tells of a change of `subject`.
    pub fn new(subject: Uuid, change: &Change, cause: Cause<'_>) -> Self {
        let kind = change.kind();
        let mut data = change.data();
        data["cause"] = cause.json();
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(kind.as_bytes());
        part(subject.as_bytes());
        part(change.register().as_bytes());
        part(change.value().as_bytes());
        let (why, version, number) = match cause {
            Cause::Event(version) => ("event", Some(version), 0),
            Cause::Expiry(version) => ("expiry", Some(version), 0),
            Cause::Evaluation(version, number) => ("evaluation", version, number),
        };
        part(why.as_bytes());
        part(version.map_or(&[], Version::as_bytes));
        part(&number.to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self {
            id: uuid::Builder::from_custom_bytes(id).into_uuid(),
            aggregate: change.aggregate(),
            subject,
            kind,
            data: data.to_string(),
            cause: cause.version().cloned(),
        }
    }
}

impl Change {
    fn aggregate(&self) -> &'static str {
        match self {
            Change::Group { .. } => "group",
            Change::PrincipalRemoved
            | Change::PrincipalRestored
            | Change::PrincipalPromoted { .. } => "principal",
            _ => "document",
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Change::DocumentDeleted { .. } => "deed.document.deleted",
            Change::DocumentRestored { .. } => "deed.document.restored",
            Change::DocumentPurged { .. } => "deed.document.purged",
            Change::DocumentOrphaned => "deed.document.orphaned",
            Change::Permission { .. } => "deed.permission.updated",
            Change::Access { .. } => "deed.access.changed",
            Change::Group { .. } => "deed.group.updated",
            Change::PrincipalRemoved => "deed.principal.removed",
            Change::PrincipalRestored => "deed.principal.restored",
            Change::PrincipalPromoted { .. } => "deed.principal.promoted",
        }
    }

    fn data(&self) -> Value {
        match *self {
            Change::DocumentDeleted { by }
            | Change::DocumentRestored { by }
            | Change::DocumentPurged { by } => match by {
                Some(by) => json!({ "by": by.to_string() }),
                None => json!({}),
            },
            Change::DocumentOrphaned | Change::PrincipalRemoved | Change::PrincipalRestored => {
                json!({})
            }
            Change::Permission {
                recipient,
                recipient_kind,
                old,
                new,
                expires_at,
            } => json!({
                "recipient": recipient_text(recipient),
                "recipient_type": recipient_kind.map(RecipientKind::word),
                "old_level": old.map(Level::word),
                "new_level": new.map(Level::word),
                "expires_at": expires_at.map(|at| at.to_rfc3339()),
            }),
            Change::Access {
                principal,
                old,
                new,
            } => json!({
                "principal": principal.to_string(),
                "old_level": old.map(Level::word),
                "new_level": new.map(Level::word),
            }),
            Change::Group { member, added } => json!({
                "member": member.to_string(),
                "change": if added { "added" } else { "removed" },
            }),
            Change::PrincipalPromoted { user } => json!({ "user": user.to_string() }),
        }
    }

    /// Which of the subject's values it is.
    fn register(&self) -> String {
        match self {
            Change::Permission { recipient, .. } => recipient.to_string(),
            Change::Access { principal, .. } => principal.to_string(),
            Change::Group { member, .. } => member.to_string(),
            _ => String::new(),
        }
    }

    /// The new value.
    fn value(&self) -> String {
        let level = |level: &Option<Level>| level.map_or("none", Level::word);
        match self {
            Change::Permission {
                new, expires_at, ..
            } => {
                let until = expires_at.map_or_else(String::new, |at| at.to_rfc3339());
                format!("{} {until}", level(new))
            }
            Change::Access { new, .. } => level(new).to_owned(),
            Change::Group { added, .. } => added.to_string(),
            Change::PrincipalPromoted { user } => user.to_string(),
            _ => String::new(),
        }
    }
}

impl Cause<'_> {
    fn json(self) -> Value {
        match self.version().and_then(Version::origin) {
            Some((source, id)) => json!({ "source": source, "id": id }),
            None => Value::Null,
        }
    }

    /// Of the inbound event.
    fn version(&self) -> Option<&Version> {
        match self {
            Cause::Event(version) => Some(version),
            Cause::Expiry(_) => None,
            Cause::Evaluation(version, _) => *version,
        }
    }
}

/// The built-in recipients by the words that inbound events give them.
fn recipient_text(id: Uuid) -> String {
    match id {
        EVERYONE => "everyone".to_owned(),
        USERS => "users".to_owned(),
        id => id.to_string(),
    }
}

#[cfg(test)]
mod tests;
