//! Checks of one principal on many documents.
//!
//! Few documents are asked about one by one. For many the principal's side is shorter: each
//! member of its closure has a range of documents at each level, which is met with those asked about
//! at the cost of the smaller of both.

use deed_core::Level;
use uuid::Uuid;

use crate::check::Asker;
use crate::closure;
use crate::failure::Failure;
use crate::pg::btree::key::Key;
use crate::pg::btree::{Entry, Indexes, ask};
use crate::pg::catalog::{self, Index};
use crate::pg::session;

/// Whether the principal holds at least this level on each of the documents.
pub fn each(principal: Uuid, documents: &[Uuid], level: Level) -> Result<Vec<bool>, Failure> {
    ask(|indexes| {
        let levels: Vec<Level> = Level::ALL.into_iter().filter(|of| *of >= level).collect();
        let most = documents.len() / levels.len();
        if most > FEW && closure::is_at_most(indexes, principal, most)? {
            let closure = closure::of(indexes, principal)?;
            if closure.len() <= most {
                let allowed = of_closure(indexes, &closure, &levels, documents)?;
                let is_allowed = |id: &Uuid| allowed.binary_search(id).is_ok();
                return Ok(documents.iter().map(is_allowed).collect());
            }
        }
        let mut asker = Asker::new(indexes, principal);
        let allowed = |document: &Uuid| Ok(asker.level(*document, level)? >= Some(level));
        documents.iter().map(allowed).collect()
    })
}

/// A principal without groups has a closure of two or three.
const FEW: usize = 3;

/// The documents among those given that are live and granted to one of the closure, ascending.
fn of_closure(
    indexes: &Indexes,
    closure: &[Uuid],
    levels: &[Level],
    documents: &[Uuid],
) -> Result<Vec<Uuid>, Failure> {
    let catalog = catalog::current()?;
    let now = session::statement_start();
    let lives = |entry: &Entry| entry.carried.instant > now;
    let mut open = documents.to_vec();
    open.sort_unstable();
    open.dedup();
    let mut allowed = Vec::new();
    for member in closure {
        for level in levels {
            let of = Key::EMPTY.id(*member).label(catalog.level_oid(*level));
            let mut granted = indexes.range(Index::PermissionByRecipient, of)?;
            let mut found = Vec::new();
            for id in granted.meet(&open)? {
                if granted.seen(id, lives)?.is_some() {
                    found.push(id);
                }
            }
            if !found.is_empty() {
                open.retain(|id| found.binary_search(id).is_err());
                allowed.extend(found);
            }
        }
    }
    allowed.sort_unstable();
    let not_live = indexes.rows(Index::DocumentNotLive, &allowed)?;
    allowed.retain(|id| not_live.binary_search(id).is_err());
    Ok(allowed)
}
