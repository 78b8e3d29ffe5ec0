//! All connections, by whose level they hang on, and by document.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use crate::access::Known;

/// What a connection is told.
#[derive(Clone)]
pub enum Notice {
    /// The level of its principal changed.
    Level(Arc<Known>),
    /// Somebody said something about the document.
    Message(String),
}

type Documents = HashMap<Uuid, HashMap<Uuid, Member>>;

struct Member {
    principal: Uuid,
    notices: UnboundedSender<Notice>,
}

/// The connections of this process.
#[derive(Default)]
pub struct Hub(Mutex<Documents>);

impl Hub {
    /// Takes a connection in: it is told of what comes from now on.
    pub fn join(
        &self,
        document: Uuid,
        principal: Uuid,
        connection: Uuid,
    ) -> UnboundedReceiver<Notice> {
        let (notices, noticed) = unbounded_channel();
        let member = Member { principal, notices };
        self.documents()
            .entry(document)
            .or_default()
            .insert(connection, member);
        noticed
    }

    /// Forgets it.
    pub fn leave(&self, document: Uuid, connection: Uuid) {
        let mut documents = self.documents();
        if let Some(members) = documents.get_mut(&document) {
            members.remove(&connection);
            if members.is_empty() {
                documents.remove(&document);
            }
        }
    }

    /// Whether anybody is connected to the document.
    pub fn has(&self, document: Uuid) -> bool {
        self.documents().contains_key(&document)
    }

    /// Tells the connections of one principal on one document.
    pub fn tell(&self, document: Uuid, principal: Uuid, notice: &Notice) {
        self.send(document, notice, |_, member| member.principal == principal);
    }

    /// Hands what one connection says to the others.
    pub fn say(&self, document: Uuid, from: Uuid, text: &str) {
        let notice = Notice::Message(text.to_owned());
        self.send(document, &notice, |connection, _| *connection != from);
    }

    fn send(&self, document: Uuid, notice: &Notice, to: impl Fn(&Uuid, &Member) -> bool) {
        let documents = self.documents();
        let members = documents.get(&document).into_iter().flatten();
        for (_, member) in members.filter(|(connection, member)| to(connection, member)) {
            // One that is closing listens no more.
            let _ = member.notices.send(notice.clone());
        }
    }

    fn documents(&self) -> MutexGuard<'_, Documents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
