//! Checks of one principal on many documents.
//!
//! Few documents are asked about one by one. For many the principal's side is shorter: each
//! member of its closure has a range of documents at each level, which is met with those asked about
//! at the cost of the smaller of both.

use std::collections::HashSet;

use deed_core::Level;
use uuid::Uuid;

use crate::check::Asker;
use crate::closure;
use crate::failure::Failure;
use crate::pg::btree::key::Key;
use crate::pg::btree::range::Range;
use crate::pg::btree::{Entry, Indexes, ask};
use crate::pg::catalog::{self, Index};
use crate::pg::session;

/// Whether the principal holds at least this level on each of the documents.
pub fn each(principal: Uuid, documents: &[Uuid], level: Level) -> Result<Vec<bool>, Failure> {
    ask(|indexes| {
        let levels: Vec<Level> = Level::ALL.into_iter().filter(|of| *of >= level).collect();
        // A principal without groups has a closure of two or three.
        if documents.len() > FEW {
            let closure = closure::of(indexes, principal)?;
            if documents.len() > closure.len() * levels.len() {
                let allowed = of_closure(indexes, &closure, &levels, documents)?;
                return Ok(documents.iter().map(|id| allowed.contains(id)).collect());
            }
        }
        let mut asker = Asker::new(indexes, principal);
        let allowed = |document: &Uuid| Ok(asker.level(*document, level)? >= Some(level));
        documents.iter().map(allowed).collect()
    })
}

const FEW: usize = 8;

/// The documents among those given that are live and granted to one of the closure.
fn of_closure(
    indexes: &Indexes,
    closure: &[Uuid],
    levels: &[Level],
    documents: &[Uuid],
) -> Result<HashSet<Uuid>, Failure> {
    let catalog = catalog::current()?;
    let now = session::statement_start();
    let mut open = documents.to_vec();
    open.sort_unstable();
    open.dedup();
    let mut allowed = HashSet::new();
    for member in closure {
        for level in levels {
            let of = Key::EMPTY.id(*member).label(catalog.level_oid(*level));
            let mut granted = indexes.range(Index::PermissionByRecipient, of)?;
            let lives = |entry: &Entry| entry.carried.instant > now;
            for id in met(&mut granted, &open)? {
                if granted.seen(id, lives)?.is_some() {
                    allowed.insert(id);
                }
            }
        }
        open.retain(|id| !allowed.contains(id));
    }
    let mut live = HashSet::with_capacity(allowed.len());
    for id in allowed {
        if indexes.row(Index::DocumentNotLive, id)?.is_none() {
            live.insert(id);
        }
    }
    Ok(live)
}

/// Those of the ids, which ascend, that the range has too.
fn met(range: &mut Range<'_>, ids: &[Uuid]) -> Result<Vec<Uuid>, Failure> {
    while !range.is_complete() && range.loaded().len() < ids.len() {
        range.load()?;
    }
    let mut met = Vec::new();
    let mut rest = ids;
    while let Some(first) = rest.first()
        && let Some(next) = range.next_id(*first)?
    {
        if next == *first {
            met.push(next);
            rest = &rest[1..];
        } else {
            rest = &rest[rest.partition_point(|id| *id < next)..];
        }
    }
    Ok(met)
}
