//! An event is split into facts, one a register; registers are compared and joined alone.

use uuid::Uuid;

use crate::event::{Body, DocumentParts, Event};
use crate::version::Instant;
use crate::{Level, RecipientKind};

/// The place that a fact fills. Each holds one value with one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Register {
    /// A register of one document.
    Document(Uuid, DocumentRegister),
    /// A register of one principal.
    Principal(Uuid, PrincipalRegister),
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
    /// Whether it is in the trash.
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
    /// Of [`PrincipalRegister::Kind`].
    Kind(RecipientKind),
    /// Of [`PrincipalRegister::Name`].
    Name(Option<String>),
    /// Of [`PrincipalRegister::Description`].
    Description(Option<String>),
    /// Of [`PrincipalRegister::Token`].
    Token(Option<[u8; 32]>),
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
    match event.body.clone() {
        Body::DocumentCreated { created_by, parts } => {
            let creation = Fact::Creation { by: created_by };
            let owner = Fact::Permission {
                level: Some(Level::Owner),
                by: created_by,
                expires_at: None,
            };
            let mut facts = document_parts(subject, created_by, parts);
            facts.push((
                Register::Document(subject, DocumentRegister::Creation),
                creation,
            ));
            facts.push((
                Register::Permission {
                    document: subject,
                    recipient: created_by,
                },
                owner,
            ));
            facts
        }
        Body::DocumentUpdated { updated_by, parts } => document_parts(subject, updated_by, parts),
        Body::DocumentDeleted { by } => vec![(
            Register::Document(subject, DocumentRegister::Lifecycle),
            Fact::Deleted { by },
        )],
        Body::PrincipalRegistered {
            kind,
            name,
            description,
            token_sha256,
        } => {
            let at = |register| Register::Principal(subject, register);
            let mut facts = vec![(at(PrincipalRegister::Kind), Fact::Kind(kind))];
            facts.extend(name.map(|v| (at(PrincipalRegister::Name), Fact::Name(v))));
            facts.extend(
                description.map(|v| (at(PrincipalRegister::Description), Fact::Description(v))),
            );
            facts.extend(token_sha256.map(|v| (at(PrincipalRegister::Token), Fact::Token(v))));
            facts
        }
        Body::PermissionGranted {
            recipient,
            level,
            granted_by,
            expires_at,
        } => vec![(
            Register::Permission {
                document: subject,
                recipient,
            },
            Fact::Permission {
                level: Some(level),
                by: granted_by,
                expires_at,
            },
        )],
        Body::PermissionRevoked {
            recipient,
            revoked_by,
        } => vec![(
            Register::Permission {
                document: subject,
                recipient,
            },
            Fact::Permission {
                level: None,
                by: revoked_by,
                expires_at: None,
            },
        )],
    }
}

fn document_parts(document: Uuid, by: Uuid, parts: DocumentParts) -> Vec<(Register, Fact)> {
    let at = |register| Register::Document(document, register);
    let mut facts = Vec::with_capacity(5);
    facts.extend(
        parts
            .title
            .map(|title| (at(DocumentRegister::Title), Fact::Title { title, by })),
    );
    facts.extend(parts.metadata.map(|metadata| {
        (
            at(DocumentRegister::Metadata),
            Fact::Metadata { metadata, by },
        )
    }));
    facts.extend(
        parts
            .content
            .map(|content| (at(DocumentRegister::Content), Fact::Content { content, by })),
    );
    facts
}
