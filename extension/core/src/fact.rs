//! An event is split into facts, one a register; registers are compared and joined alone.

use uuid::Uuid;

use crate::event::{Body, DocumentParts, Event, PrincipalParts};
use crate::version::Instant;
use crate::{Level, RecipientKind};

/// The place that a fact fills. Each holds one value with one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Register {
    /// A register of one document.
    Document(Uuid, DocumentRegister),
    /// A register of one principal.
    Principal(Uuid, PrincipalRegister),
    /// Whether one principal is a member of another.
    Membership {
        /// The group.
        group: Uuid,
        /// The member.
        member: Uuid,
    },
    /// What one recipient holds on one document.
    Permission {
        /// The document.
        document: Uuid,
        /// The recipient.
        recipient: Uuid,
    },
}

/// The registers of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentRegister {
    /// Whether, when and by whom it was created.
    Creation,
    /// Its title.
    Title,
    /// Its metadata.
    Metadata,
    /// Its content.
    Content,
    /// Whether it is in the trash. A purge is not held here: it ends all registers.
    Lifecycle,
}

/// The registers of a principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalRegister {
    /// What it is.
    Kind,
    /// Its name.
    Name,
    /// Its description.
    Description,
    /// Its share-link token.
    Token,
    /// Whether it is removed.
    Lifecycle,
    /// Which principal took it over.
    Promotion,
}

/// One value for one register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Of [`DocumentRegister::Creation`].
    Creation {
        /// The creator.
        by: Uuid,
    },
    /// Of [`DocumentRegister::Title`].
    Title {
        /// The title, if any.
        title: Option<String>,
        /// Whoever set it.
        by: Uuid,
    },
    /// Of [`DocumentRegister::Metadata`].
    Metadata {
        /// Canonical JSON, if any.
        metadata: Option<String>,
        /// Whoever set it.
        by: Uuid,
    },
    /// Of [`DocumentRegister::Content`].
    Content {
        /// Canonical JSON, if any.
        content: Option<String>,
        /// Whoever set it.
        by: Uuid,
    },
    /// Of [`DocumentRegister::Lifecycle`].
    Deleted {
        /// Whoever deleted it, if known.
        by: Option<Uuid>,
    },
    /// Of no register: it ends all of the document's, for ever.
    Purged {
        /// Whoever purged it, if known.
        by: Option<Uuid>,
    },
    /// Of [`PrincipalRegister::Kind`].
    Kind(RecipientKind),
    /// Of [`PrincipalRegister::Name`].
    Name(Option<String>),
    /// Of [`PrincipalRegister::Description`].
    Description(Option<String>),
    /// Of [`PrincipalRegister::Token`].
    Token(Option<[u8; 32]>),
    /// Of [`PrincipalRegister::Lifecycle`].
    Removed {
        /// Whoever removed it, if known.
        by: Option<Uuid>,
    },
    /// Of [`DocumentRegister::Lifecycle`] and [`PrincipalRegister::Lifecycle`].
    Restored {
        /// Whoever restored it, if known.
        by: Option<Uuid>,
    },
    /// Of [`PrincipalRegister::Promotion`].
    Promoted {
        /// The principal that holds what the link identity holds.
        user: Uuid,
    },
    /// Of [`Register::Membership`].
    Membership {
        /// Whether it is a member; if not, this is the tombstone of its removal.
        member: bool,
        /// Whoever added or removed it, if known.
        by: Option<Uuid>,
    },
    /// Of [`Register::Permission`].
    Permission {
        /// The level; `None` is the tombstone that a revoke leaves.
        level: Option<Level>,
        /// Whoever granted or revoked it.
        by: Uuid,
        /// Until when; `None` is for ever.
        expires_at: Option<Instant>,
    },
}

impl Fact {
    /// Whoever changed what the document says, where the fact moves last_modified.
    pub fn modified_by(&self) -> Option<Uuid> {
        match self {
            Fact::Creation { by }
            | Fact::Title { by, .. }
            | Fact::Metadata { by, .. }
            | Fact::Content { by, .. } => Some(*by),
            _ => None,
        }
    }
}

/// The facts of one event, each for a register of its own.
pub fn split(event: &Event) -> Vec<(Register, Fact)> {
    let subject = event.subject;
    let document = |register| Register::Document(subject, register);
    let principal = |register| Register::Principal(subject, register);
    let membership = |member| Register::Membership {
        group: subject,
        member,
    };
    let permission = |recipient| Register::Permission {
        document: subject,
        recipient,
    };
    match event.body.clone() {
        Body::DocumentCreated { created_by, parts } => {
            let owner = Fact::Permission {
                level: Some(Level::Owner),
                by: created_by,
                expires_at: None,
            };
            let mut facts = document_parts(subject, created_by, parts);
            facts.push((
                document(DocumentRegister::Creation),
                Fact::Creation { by: created_by },
            ));
            facts.push((permission(created_by), owner));
            facts
        }
        Body::DocumentUpdated { updated_by, parts } => document_parts(subject, updated_by, parts),
        Body::DocumentDeleted { by } => {
            vec![(document(DocumentRegister::Lifecycle), Fact::Deleted { by })]
        }
        Body::DocumentRestored { by } => {
            vec![(document(DocumentRegister::Lifecycle), Fact::Restored { by })]
        }
        Body::DocumentPurged { by } => {
            vec![(document(DocumentRegister::Lifecycle), Fact::Purged { by })]
        }
        Body::PrincipalRegistered { kind, parts } => {
            let mut facts = principal_parts(subject, parts);
            facts.push((principal(PrincipalRegister::Kind), Fact::Kind(kind)));
            facts
        }
        Body::PrincipalUpdated { parts } => principal_parts(subject, parts),
        Body::PrincipalRemoved { by } => {
            vec![(
                principal(PrincipalRegister::Lifecycle),
                Fact::Removed { by },
            )]
        }
        Body::PrincipalRestored { by } => {
            vec![(
                principal(PrincipalRegister::Lifecycle),
                Fact::Restored { by },
            )]
        }
        Body::PrincipalPromoted { user } => {
            vec![(
                principal(PrincipalRegister::Promotion),
                Fact::Promoted { user },
            )]
        }
        Body::MemberAdded { member, by } => {
            vec![(membership(member), Fact::Membership { member: true, by })]
        }
        Body::MemberRemoved { member, by } => {
            vec![(membership(member), Fact::Membership { member: false, by })]
        }
        Body::PermissionGranted {
            recipient,
            level,
            granted_by,
            expires_at,
        } => {
            let grant = Fact::Permission {
                level: Some(level),
                by: granted_by,
                expires_at,
            };
            vec![(permission(recipient), grant)]
        }
        Body::PermissionRevoked {
            recipient,
            revoked_by,
        } => {
            let tombstone = Fact::Permission {
                level: None,
                by: revoked_by,
                expires_at: None,
            };
            vec![(permission(recipient), tombstone)]
        }
    }
}

fn document_parts(document: Uuid, by: Uuid, parts: DocumentParts) -> Vec<(Register, Fact)> {
    let title = parts.title.map(|title| {
        let fact = Fact::Title { title, by };
        (DocumentRegister::Title, fact)
    });
    let metadata = parts.metadata.map(|metadata| {
        let fact = Fact::Metadata { metadata, by };
        (DocumentRegister::Metadata, fact)
    });
    let content = parts.content.map(|content| {
        let fact = Fact::Content { content, by };
        (DocumentRegister::Content, fact)
    });
    [title, metadata, content]
        .into_iter()
        .flatten()
        .map(|(register, fact)| (Register::Document(document, register), fact))
        .collect()
}

fn principal_parts(principal: Uuid, parts: PrincipalParts) -> Vec<(Register, Fact)> {
    let name = parts
        .name
        .map(|name| (PrincipalRegister::Name, Fact::Name(name)));
    let description = parts
        .description
        .map(|text| (PrincipalRegister::Description, Fact::Description(text)));
    let token = parts
        .token_sha256
        .map(|token| (PrincipalRegister::Token, Fact::Token(token)));
    [name, description, token]
        .into_iter()
        .flatten()
        .map(|(register, fact)| (Register::Principal(principal, register), fact))
        .collect()
}
