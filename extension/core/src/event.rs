//! The events that Deed applies, typed and placed in the total order.

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::json::Json;
use crate::members::{Change, Members, unreserved};
use crate::record::{self, Attributes, Header};
use crate::version::{Instant, Version};
use crate::{Level, RecipientKind, Rejection};

/// One event: what it says, of whom, and where it stands in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The document or principal that it is about.
    pub subject: Uuid,
    /// Its place in the total order.
    pub version: Version,
    /// What it says.
    pub body: Body,
    /// The trace that it came in: W3C's `traceparent`.
    pub traceparent: Option<String>,
}

/// What an event says of its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// `document.created`
    DocumentCreated {
        /// The first owner.
        created_by: Uuid,
        /// What it starts with.
        parts: DocumentParts,
    },
    /// `document.updated`
    DocumentUpdated {
        /// Whoever changed it.
        updated_by: Uuid,
        /// What changed.
        parts: DocumentParts,
    },
    /// `document.deleted`
    DocumentDeleted {
        /// Whoever deleted it.
        by: Option<Uuid>,
    },
    /// `document.restored`
    DocumentRestored {
        /// Whoever took it back out of the trash.
        by: Option<Uuid>,
    },
    /// `document.purged`
    DocumentPurged {
        /// Whoever destroyed it.
        by: Option<Uuid>,
    },
    /// `principal.registered`
    PrincipalRegistered {
        /// What it is.
        kind: RecipientKind,
        /// What it starts with.
        parts: PrincipalParts,
    },
    /// `principal.updated`
    PrincipalUpdated {
        /// What changed.
        parts: PrincipalParts,
    },
    /// `principal.removed`
    PrincipalRemoved {
        /// Whoever removed it.
        by: Option<Uuid>,
    },
    /// `principal.restored`
    PrincipalRestored {
        /// Whoever took it back in.
        by: Option<Uuid>,
    },
    /// `principal.promoted`
    PrincipalPromoted {
        /// The principal that takes the link identity over.
        user: Uuid,
    },
    /// `group.member_added`
    MemberAdded {
        /// Who is in.
        member: Uuid,
        /// Whoever says so.
        by: Option<Uuid>,
    },
    /// `group.member_removed`
    MemberRemoved {
        /// Who is out.
        member: Uuid,
        /// Whoever says so.
        by: Option<Uuid>,
    },
    /// `permission.granted`
    PermissionGranted {
        /// Who may.
        recipient: Uuid,
        /// How much.
        level: Level,
        /// Who says so.
        granted_by: Uuid,
        /// Until when; `None` is for ever.
        expires_at: Option<Instant>,
    },
    /// `permission.revoked`
    PermissionRevoked {
        /// Who may no longer.
        recipient: Uuid,
        /// Who says so.
        revoked_by: Uuid,
    },
}

/// The parts of a document that an event may set or clear; JSON as canonical text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DocumentParts {
    /// `title`
    pub title: Change<String>,
    /// `metadata`, an object
    pub metadata: Change<String>,
    /// `content`, any JSON
    pub content: Change<String>,
}

/// The parts of a principal that an event may set or clear.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PrincipalParts {
    /// `name`
    pub name: Change<String>,
    /// `description`
    pub description: Change<String>,
    /// `token_sha256`, of a share link's token
    pub token_sha256: Change<[u8; 32]>,
}

impl Body {
    /// The CloudEvents `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Body::DocumentCreated { .. } => "document.created",
            Body::DocumentUpdated { .. } => "document.updated",
            Body::DocumentDeleted { .. } => "document.deleted",
            Body::DocumentRestored { .. } => "document.restored",
            Body::DocumentPurged { .. } => "document.purged",
            Body::PrincipalRegistered { .. } => "principal.registered",
            Body::PrincipalUpdated { .. } => "principal.updated",
            Body::PrincipalRemoved { .. } => "principal.removed",
            Body::PrincipalRestored { .. } => "principal.restored",
            Body::PrincipalPromoted { .. } => "principal.promoted",
            Body::MemberAdded { .. } => "group.member_added",
            Body::MemberRemoved { .. } => "group.member_removed",
            Body::PermissionGranted { .. } => "permission.granted",
            Body::PermissionRevoked { .. } => "permission.revoked",
        }
    }
}

impl Event {
    /// The event in a Kafka record, unless its time is later than `latest`.
    pub fn from_record(
        headers: &[Header<'_>],
        payload: Option<&[u8]>,
        latest: Instant,
    ) -> Result<Self, Rejection> {
        Self::new(record::from_record(headers, payload)?, latest)
    }

    /// The event in a structured-mode JSON document, unless its time is later than `latest`.
    pub fn from_structured(text: &str, latest: Instant) -> Result<Self, Rejection> {
        Self::new(record::structured(text)?, latest)
    }

    fn new(attributes: Attributes<'_>, latest: Instant) -> Result<Self, Rejection> {
        let time = Instant::parse("time", &attributes.time)?;
        if time > latest {
            return Err(Rejection::expected(
                "time",
                "a time no further ahead of the database clock than deed.max_clock_skew",
                &attributes.time,
            ));
        }
        let mut data = Members::new(attributes.data);
        let body = body(&attributes.kind, &mut data)?;
        let subject = unreserved("subject", &attributes.subject)?;
        let version = Version::new(
            time,
            attributes.sequence.as_deref(),
            &attributes.id,
            &attributes.source,
            &digest(body.kind(), subject, data.into_known()),
        );
        Ok(Self {
            subject,
            version,
            body,
            traceparent: attributes.traceparent.map(Cow::into_owned),
        })
    }
}

fn body(kind: &str, data: &mut Members<'_>) -> Result<Body, Rejection> {
    Ok(match kind {
        "document.created" => Body::DocumentCreated {
            created_by: data.principal("created_by")?,
            parts: document_parts(data)?,
        },
        "document.updated" => Body::DocumentUpdated {
            updated_by: data.actor("updated_by")?,
            parts: document_parts(data)?,
        },
        "document.deleted" => Body::DocumentDeleted {
            by: data.actor_or_null("by")?,
        },
        "document.restored" => Body::DocumentRestored {
            by: data.actor_or_null("by")?,
        },
        "document.purged" => Body::DocumentPurged {
            by: data.actor_or_null("by")?,
        },
        "principal.registered" => Body::PrincipalRegistered {
            kind: data.kind("kind")?,
            parts: principal_parts(data)?,
        },
        "principal.updated" => Body::PrincipalUpdated {
            parts: principal_parts(data)?,
        },
        "principal.removed" => Body::PrincipalRemoved {
            by: data.actor_if_known("by")?,
        },
        "principal.restored" => Body::PrincipalRestored {
            by: data.actor_if_known("by")?,
        },
        "principal.promoted" => Body::PrincipalPromoted {
            user: data.principal("user")?,
        },
        "group.member_added" => Body::MemberAdded {
            member: data.principal("member")?,
            by: data.actor_if_known("by")?,
        },
        "group.member_removed" => Body::MemberRemoved {
            member: data.principal("member")?,
            by: data.actor_if_known("by")?,
        },
        "permission.granted" => Body::PermissionGranted {
            recipient: data.recipient("recipient")?,
            level: data.level("level")?,
            granted_by: data.actor("granted_by")?,
            expires_at: data.time("expires_at")?,
        },
        "permission.revoked" => Body::PermissionRevoked {
            recipient: data.recipient("recipient")?,
            revoked_by: data.actor("revoked_by")?,
        },
        unknown => {
            return Err(Rejection::expected(
                "type",
                "a type that Deed knows",
                unknown,
            ));
        }
    })
}

fn document_parts(data: &mut Members<'_>) -> Result<DocumentParts, Rejection> {
    Ok(DocumentParts {
        title: data.text("title")?,
        metadata: data.object("metadata")?,
        content: data.json("content")?,
    })
}

fn principal_parts(data: &mut Members<'_>) -> Result<PrincipalParts, Rejection> {
    Ok(PrincipalParts {
        name: data.text("name")?,
        description: data.text("description")?,
        token_sha256: data.sha256("token_sha256")?,
    })
}

/// SHA-256 over the canonical form of type, subject and known members.
fn digest(kind: &str, subject: Uuid, known: Json) -> [u8; 32] {
    let members = [
        ("data", known),
        ("subject", Json::String(subject.hyphenated().to_string())),
        ("type", Json::String(kind.to_owned())),
    ];
    let event = Json::Object(members.map(|(key, value)| (key.to_owned(), value)).into());
    Sha256::digest(event.canonical()).into()
}
