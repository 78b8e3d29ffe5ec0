//! What Deed's events mean, apart from any database.
//!
//! The way of an event through this crate: [`record`] finds the CloudEvent in a Kafka record,
//! [`event`] types it, [`fact`] splits it into one fact a register, and [`decide`] joins facts
//! with what the registers hold. [`outbound`] is what is told of the changes. Nothing here reads a
//! clock, a file or a socket.

mod concern;
pub mod cursor;
pub mod decide;
pub mod event;
pub mod fact;
pub mod json;
pub mod members;
pub mod outbound;
pub mod position;
pub mod record;
pub mod version;

mod rejection;

pub use rejection::Rejection;

/// What a recipient may do with a document; each level includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// May read.
    Viewer,
    /// May read and write.
    Editor,
    /// May read, write and share.
    Owner,
}

impl Level {
    /// Every level, ascending.
    pub const ALL: [Level; 3] = [Level::Viewer, Level::Editor, Level::Owner];

    /// The word used in events and in the SQL enum `deed.permission_level`.
    pub fn word(self) -> &'static str {
        match self {
            Level::Viewer => "viewer",
            Level::Editor => "editor",
            Level::Owner => "owner",
        }
    }
}

/// What kind of principal a recipient is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecipientKind {
    /// Somebody who signs in.
    User,
    /// The identity behind one share link.
    Anonymous,
    /// A set of principals.
    Group,
}

impl RecipientKind {
    /// Every kind.
    pub const ALL: [RecipientKind; 3] = [
        RecipientKind::User,
        RecipientKind::Anonymous,
        RecipientKind::Group,
    ];

    /// The word used in events and in the SQL enum `deed.permission_recipient`.
    pub fn word(self) -> &'static str {
        match self {
            RecipientKind::User => "user",
            RecipientKind::Anonymous => "anonymous",
            RecipientKind::Group => "group",
        }
    }
}

/// The built-in recipient that every principal is in, visitors without identity included.
pub const EVERYONE: uuid::Uuid = uuid::Uuid::from_u128(1);

/// The built-in recipient that every registered, active user is in.
pub const USERS: uuid::Uuid = uuid::Uuid::from_u128(2);
