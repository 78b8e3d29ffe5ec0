//! What the relay brings about: it looks at marks, ends permissions that have expired and watches that nobody
//! prolonged, and puts what follows into the outbox.
//!
//! Each call is one transaction with a bounded amount of work. It first finds what differs, without a lock, for
//! no two of them run at once: what it finds to be as it was told needs nothing. Then it locks the documents
//! concerned, as many as are free, and looks again. It waits for no document: whoever holds one for long would
//! hold up all that goes out. What it could not lock is marked again.

mod expiry;
mod groups;
mod leases;
mod marked;
mod orphans;
mod pairs;
mod turn;

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::failure::Failure;
use crate::marks::Marks;
use crate::pg::ids::{core_uuid, sql_uuids};
use crate::pg::session;
use crate::pg::spi::{self, arg};
use crate::traces::Traces;

/// How much of each kind is looked at in one call: some milliseconds' work.
const PAGE: usize = 1_000;

/// Does a page of each kind of work; whether there is more at once. None while another relay is at work.
pub fn settle(relay: Uuid) -> Result<Option<bool>, Failure> {
    session::require_read_committed()?;
    if !turn::take(relay) {
        return Ok(None);
    }
    let mut again = Marks::default();
    let mut traces = Traces::default();
    // Before anything is told: a watch that has ended is told of nothing.
    let mut more = leases::end();
    more |= expiry::end();
    more |= groups::spread(&mut traces);
    more |= pairs::look(&mut again, &mut traces);
    more |= orphans::look(&mut again, &mut traces);
    again.write(&traces);
    Ok(Some(more))
}

/// Locks those documents that nobody else has locked, and gives them.
fn lock(documents: impl Iterator<Item = Uuid>) -> BTreeSet<Uuid> {
    let documents: BTreeSet<Uuid> = documents.collect();
    if documents.is_empty() {
        return documents;
    }
    let documents: Vec<Uuid> = documents.into_iter().collect();
    let locked = spi::write(
        "SELECT d.id FROM deed.document AS d WHERE d.id = ANY ($1) FOR UPDATE SKIP LOCKED",
        &[arg(sql_uuids(&documents))],
        |row| row.get(1).map(core_uuid),
    );
    locked.into_iter().flatten().collect()
}
