//! The rows that an event concerns: what a writer locks before it reads.

use uuid::Uuid;

use crate::event::{Body, Event};

impl Event {
    /// The document that it is about, if it is about one.
    pub fn document(&self) -> Option<Uuid> {
        match self.body {
            Body::DocumentCreated { .. }
            | Body::DocumentUpdated { .. }
            | Body::DocumentDeleted { .. }
            | Body::DocumentRestored { .. }
            | Body::DocumentPurged { .. }
            | Body::PermissionGranted { .. }
            | Body::PermissionRevoked { .. } => Some(self.subject),
            _ => None,
        }
    }

    /// The principals that it is about: its subject, both ends of a membership, both sides of a
    /// promotion. Recipients and actors are not among them: a grant stands under its document.
    pub fn principals(&self) -> impl Iterator<Item = Uuid> {
        let subject = self.document().is_none().then_some(self.subject);
        let other = match self.body {
            Body::MemberAdded { member, .. } | Body::MemberRemoved { member, .. } => Some(member),
            Body::PrincipalPromoted { user } => Some(user),
            _ => None,
        };
        subject.into_iter().chain(other)
    }
}
