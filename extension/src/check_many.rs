//! Checks of one principal on many documents.
//!
//! Few documents are asked about one by one. For many the principal's side is shorter: each
//! member of its closure has a range of documents at each level, which is met with those asked about
//! at the cost of the smaller of both, as long as all of these are less than asking one by one.

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
            if closure.len() <= most
                && let Some(allowed) = of_closure(indexes, &closure, &levels, documents)?
            {
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

/// To ask about one document costs as much as to read so many entries of ranges.
const ENTRIES_A_DOCUMENT: usize = 32;

/// The documents among those given that are live and granted to one of the closure, ascending; none where
/// the ranges are so long that to ask about one after the other is cheaper.
fn of_closure(
    indexes: &Indexes,
    closure: &[Uuid],
    levels: &[Level],
    documents: &[Uuid],
) -> Result<Option<Vec<Uuid>>, Failure> {
    let catalog = catalog::current()?;
    let now = session::statement_start();
    let lives = |entry: &Entry| entry.carried.instant > now;
    let mut open = documents.to_vec();
    open.sort_unstable();
    open.dedup();
    let mut allowed = Vec::new();
    let mut room = ENTRIES_A_DOCUMENT * documents.len();
    for member in closure {
        for level in levels {
            let of = Key::EMPTY.id(*member).label(catalog.level_oid(*level));
            let mut granted = indexes.range(Index::PermissionByRecipient, of)?;
            let mut found = Vec::new();
            let met = granted.meet(&open)?;
            match room.checked_sub(granted.loaded().len() + met.len()) {
                Some(left) => room = left,
                None => return Ok(None),
            }
            for id in met {
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
    Ok(Some(allowed))
}
