//! What the relay brings about: it looks at marks, ends permissions that have expired and watches that nobody
//! prolonged, and puts what follows into the outbox.
//!
//! Each call is one transaction with a bounded amount of work. It first finds what differs, without a lock, for
//! no two of them run at once: what it finds to be as it was told needs nothing. Then it locks the documents
//! concerned, by id, and looks again.

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
use crate::pg::ids::sql_uuids;
use crate::pg::session;
use crate::pg::spi::{self, arg};

/// How much of each kind is looked at in one call: some milliseconds' work.
const PAGE: usize = 1_000;

/// What one call found to be done.
#[derive(Default)]
struct Work {
    pairs: pairs::Differing,
    orphans: orphans::Differing,
    expired: expiry::Due,
    ended: leases::Ended,
}

/// Does a page of each kind of work; whether there is more at once. None while another relay is at work.
pub fn settle(relay: Uuid) -> Result<Option<bool>, Failure> {
    session::require_read_committed()?;
    if !turn::take(relay) {
        return Ok(None);
    }
    let mut more = groups::spread();
    let mut work = Work::default();
    more |= pairs::find(&mut work.pairs);
    more |= orphans::find(&mut work.orphans);
    work.expired = expiry::find();
    work.ended = leases::find();
    // What has expired is looked at in the next call, and where a page is full there may be another.
    more |= !work.expired.is_empty() || work.ended.is_full();

    let documents: BTreeSet<Uuid> = work
        .pairs
        .documents()
        .chain(work.orphans.documents())
        .chain(work.expired.documents())
        .chain(work.ended.documents())
        .collect();
    if documents.is_empty() {
        return Ok(Some(more));
    }
    let documents: Vec<Uuid> = documents.into_iter().collect();
    spi::execute(
        "SELECT FROM deed.document AS d WHERE d.id = ANY ($1) ORDER BY d.id FOR UPDATE",
        &[arg(sql_uuids(&documents))],
    );
    work.expired.end();
    work.pairs.tell();
    work.orphans.tell();
    work.ended.forget();
    Ok(Some(more))
}
