//! Applying events: lock, read, decide, write; one statement a table and step.
//!
//! Locks are taken in one order everywhere: the position, quarantined records, documents by id,
//! principals by id, and last the closure's. Only then is read, on a new snapshot. `docs/TRANSACTIONS.md` says why.

mod batch;
mod before;
mod changes;
mod closure;
mod documents;
pub mod listing;
mod memberships;
mod pairs;
mod permissions;
pub mod position;
mod principals;
mod quarantine;
mod redrive;
mod rows;

use deed_core::decide::{Held, Outcome, decide};
use deed_core::event::Event;
use pgrx::datum::TimestampWithTimeZone;
use uuid::Uuid;

pub use batch::{Batch, Count, Policy, batch};
use principals::Nodes;
pub use redrive::{Redriven, redrive};

use crate::failure::Failure;
use crate::pg::session;
use crate::traces::Traces;

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
    let document_ids = ascending(events.iter().filter_map(Event::document));
    let principal_ids = ascending(events.iter().flat_map(Event::principals));
    // Most documents and principals of a batch are either new, and then written whole at once, or
    // known, and then locked. A row written here is locked by its own insertion.
    let as_if_new = decide(&Held::default(), events);
    let mut held = Held::default();
    let known_documents = documents::insert(&document_ids, &as_if_new);
    documents::lock(&known_documents, &mut held);
    let known_principals = principals::insert(&principal_ids, &as_if_new);
    let nodes_before = principals::lock(&known_principals, &mut held);
    permissions::read(&known_documents, &as_if_new, &mut held);
    memberships::read(&as_if_new, &mut held);

    let decision = decide(&held, events);
    let before = before::read([&known_documents, &known_principals], &decision, &held);
    listing::follow(&before, &decision);
    documents::update(&known_documents, &decision);
    permissions::purge(&decision);
    permissions::write(&decision);
    let nodes = Nodes::after(&decision, nodes_before);
    principals::update(&known_principals, &decision, &nodes);
    memberships::write(&decision);
    let traces = Traces::of(events);
    changes::tell(&before, &decision, &nodes, &traces);
    closure::follow(&before, &decision, &nodes, &traces);
    decision.outcomes
}

fn ascending(ids: impl Iterator<Item = Uuid>) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// An RFC 3339 time is always within `timestamptz`; a null here could mean "not removed".
pub fn sql_time(instant: deed_core::version::Instant) -> TimestampWithTimeZone {
    TimestampWithTimeZone::try_from(instant.to_postgres_micros()).expect("within timestamptz")
}
