//! Applying events: lock, read, decide, write; one statement a table and step.
//!
//! Locks are taken in one order everywhere: the position, documents by id, principals by id.
//! Only then are registers read, on a new snapshot. `docs/TRANSACTIONS.md` says why.

mod batch;
mod documents;
mod permissions;
pub mod position;
mod principals;
mod quarantine;
mod rows;

use deed_core::decide::{Decision, Held, Outcome, decide};
use deed_core::event::Event;
use deed_core::fact::Register;
use pgrx::datum::TimestampWithTimeZone;
use uuid::Uuid;

pub use batch::{Batch, Count, batch};

use crate::failure::Failure;
use crate::pg::session;

/// Applies one CloudEvent in structured form.
pub fn event(text: &str) -> Result<Outcome, Failure> {
    session::require_read_committed()?;
    let event = Event::from_structured(text, session::latest_event_time())?;
    Ok(events(&[event])[0])
}

/// Applies events in order and says what became of each.
fn events(events: &[Event]) -> Vec<Outcome> {
    if events.is_empty() {
        return Vec::new();
    }
    // Most documents and principals of a batch are either new, and then written whole at once, or
    // known, and then locked. A row written here is locked by its own insertion.
    let as_if_new = decide(&Held::new(), events);
    let (document_ids, principal_ids) = subjects(&as_if_new);
    let mut held = Held::new();
    let known_documents = documents::insert(&document_ids, &as_if_new);
    documents::lock(&known_documents, &mut held);
    let known_principals = principals::insert(&principal_ids, &as_if_new);
    principals::lock(&known_principals, &mut held);
    permissions::read(&known_documents, &as_if_new, &mut held);

    let decision = decide(&held, events);
    documents::update(&known_documents, &decision);
    principals::update(&known_principals, &decision);
    permissions::write(&decision);
    decision.outcomes
}

/// The documents and principals that a decision concerns, each once, ascending.
fn subjects(decision: &Decision) -> (Vec<Uuid>, Vec<Uuid>) {
    let mut documents = Vec::new();
    let mut principals = Vec::new();
    for register in decision.taken.keys() {
        match register {
            Register::Document(id, _) | Register::Permission { document: id, .. } => {
                documents.push(*id);
            }
            Register::Principal(id, _) => principals.push(*id),
        }
    }
    for ids in [&mut documents, &mut principals] {
        ids.sort_unstable();
        ids.dedup();
    }
    (documents, principals)
}

fn sql_uuid(id: Uuid) -> pgrx::Uuid {
    pgrx::Uuid::from_bytes(*id.as_bytes())
}

fn sql_uuids(ids: &[Uuid]) -> Vec<pgrx::Uuid> {
    ids.iter().copied().map(sql_uuid).collect()
}

fn core_uuid(id: pgrx::Uuid) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

/// An RFC 3339 time is always within `timestamptz`.
fn sql_time(instant: deed_core::version::Instant) -> Option<TimestampWithTimeZone> {
    TimestampWithTimeZone::try_from(instant.to_postgres_micros()).ok()
}
