//! How to come to a page among concurrent splits, deletions and vacuum, and what is read there.

use std::cell::Cell;

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::key::{Key, Place};
use super::nbtree::*;
use super::page::Page;
use super::tuple::{Carried, Corrupt};
use crate::failure::{Failure, SqlState};
use crate::pg::catalog::{Index, Target};
use crate::pg::session::is_serializable;

/// One entry of an index: a key, and what the index carries beside it.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Columns and row.
    pub key: Key,
    /// The other columns.
    pub carried: Carried,
    /// Everybody sees the row.
    seen_by_all: bool,
}

/// An index that one question reads, by the active snapshot.
pub struct Reader {
    of: Index,
    /// Locked.
    target: Target,
    /// Opened when it is first read.
    index: Cell<pg_sys::Relation>,
    /// Opened when a row is looked for: what is not there needs no table.
    table: Cell<pg_sys::Relation>,
    /// The page of the visibility map last looked at stays pinned.
    map: Cell<pg_sys::Buffer>,
}

impl Reader {
    /// Of a locked index. Nothing is open yet.
    pub(super) fn new(of: Index, target: Target) -> Self {
        Self {
            of,
            target,
            index: Cell::new(std::ptr::null_mut()),
            table: Cell::new(std::ptr::null_mut()),
            map: Cell::new(NO_BUFFER),
        }
    }

    /// Closes what it opened; the reader is not used again.
    ///
    /// # Safety
    /// Once, within a guard.
    pub(super) unsafe fn close(&self) {
        // SAFETY: what this reader opened and pinned.
        unsafe {
            if self.map.get() != NO_BUFFER {
                ReleaseBuffer(self.map.get());
            }
            for relation in [self.index.get(), self.table.get()] {
                if !relation.is_null() {
                    relation_close(relation, NO_LOCK);
                }
            }
        }
    }

    /// Adds the entries that begin with `prefix`, from `from` on and in order, up to `limit`, seen
    /// by the snapshot or not. Gives where to go on; none when there are no more.
    pub fn fetch(
        &self,
        prefix: &Key,
        from: Key,
        limit: usize,
        entries: &mut Vec<Entry>,
    ) -> Result<Option<Key>, Failure> {
        // SAFETY: the relations are locked. The closure owns nothing that has to be
        // dropped, and doesn't panic: pages are read with bounds checked.
        let rest = unsafe { pg_guard_ffi_boundary(|| self.collect(prefix, from, limit, entries)) };
        pgrx::check_for_interrupts!();
        rest.map_err(|Corrupt| {
            let name = self.of.name();
            Failure::new(
                SqlState::IndexUnusable,
                format!("checks can't be answered: a page of index deed.{name} is corrupt"),
            )
            .hint(format!(
                "REINDEX INDEX deed.{name}, and look for what broke it."
            ))
        })
    }

    /// Whether the snapshot sees the entry's row.
    pub fn sees(&self, entry: &Entry) -> bool {
        if entry.seen_by_all && !is_serializable() {
            return true;
        }
        let Place { block, line } = entry.key.row();
        // SAFETY: as for `fetch`. Without a pin on the entry's page the row may have been vacuumed
        // and its place given to another since: one that this snapshot, which held back nothing of
        // the old row, doesn't see (nbtree's README on dropping pins with MVCC snapshots).
        unsafe {
            pg_guard_ffi_boundary(|| {
                if entry.seen_by_all {
                    // Reading the table would have done this (predicate.c).
                    PredicateLockPage(self.table(), block, GetActiveSnapshot());
                    return true;
                }
                let mut tid = pg_sys::ItemPointerData::default();
                pgrx::itemptr::item_pointer_set_all(&mut tid, block, line);
                table_index_fetch_tuple_check(
                    self.table(),
                    &mut tid,
                    GetActiveSnapshot(),
                    std::ptr::null_mut(),
                )
            })
        }
    }

    /// # Safety
    /// Within a guard.
    unsafe fn collect(
        &self,
        prefix: &Key,
        from: Key,
        limit: usize,
        entries: &mut Vec<Entry>,
    ) -> Result<Option<Key>, Corrupt> {
        // SAFETY: buffers are pinned and locked from where they are got until they are given back;
        // on an error Postgres gives them back.
        unsafe {
            count(self.index());
            let Some(mut leaf) = self.descend(&from)? else {
                return Ok(None);
            };
            let mut room = limit;
            loop {
                protect(self.index(), leaf);
                let right = match self.collect_page(leaf, prefix, &from, &mut room, entries) {
                    Ok(Step::GoOn(right)) => right,
                    Ok(Step::Done(rest)) => {
                        _bt_relbuf(self.index(), leaf);
                        return Ok(rest);
                    }
                    Err(corrupt) => {
                        _bt_relbuf(self.index(), leaf);
                        return Err(corrupt);
                    }
                };
                leaf = _bt_relandgetbuf(self.index(), leaf, right, SHARED);
            }
        }
    }

    /// The leaf on which keys from `from` on begin, pinned and share-locked; none in an empty index.
    ///
    /// # Safety
    /// Within a guard.
    unsafe fn descend(&self, from: &Key) -> Result<Option<pg_sys::Buffer>, Corrupt> {
        // SAFETY: as in `collect`.
        unsafe {
            let mut held = root(self.index());
            if held == NO_BUFFER && is_serializable() {
                // Nothing finer is there to lock; what came in between is found the second time.
                PredicateLockRelation(self.index(), GetActiveSnapshot());
                held = root(self.index());
            }
            if held == NO_BUFFER {
                return Ok(None);
            }
            loop {
                match self.way(held, from) {
                    Ok(None) => return Ok(Some(held)),
                    Ok(Some(block)) => held = _bt_relandgetbuf(self.index(), held, block, SHARED),
                    Err(corrupt) => {
                        _bt_relbuf(self.index(), held);
                        return Err(corrupt);
                    }
                }
            }
        }
    }

    /// Where to go from a page: to the right when it was split or deleted since its parent was read,
    /// or down; none from the leaf.
    ///
    /// # Safety
    /// `held` is pinned and locked.
    unsafe fn way(&self, held: pg_sys::Buffer, from: &Key) -> Result<Option<u32>, Corrupt> {
        // SAFETY: the caller's.
        let page = unsafe { page(held)? };
        if page.ends_before(self.of.shape(), from)? {
            return Ok(page.right);
        }
        if page.is_ignored() {
            return Err(Corrupt);
        }
        match page.is_leaf() {
            true => Ok(None),
            false => page.child(self.of.shape(), from).map(Some),
        }
    }

    /// # Safety
    /// `leaf` is pinned and locked.
    unsafe fn collect_page(
        &self,
        leaf: pg_sys::Buffer,
        prefix: &Key,
        from: &Key,
        room: &mut usize,
        entries: &mut Vec<Entry>,
    ) -> Result<Step, Corrupt> {
        // SAFETY: the caller's.
        let page = unsafe { page(leaf)? };
        let go_on = |page: &Page<'_>| match page.right {
            Some(right) if !page.ends(self.of.shape(), prefix)? => Ok(Step::GoOn(right)),
            _ => Ok(Step::Done(None)),
        };
        if page.is_ignored() {
            return go_on(&page);
        }
        let mut map = self.map.get();
        // Neighbours in an index are often neighbours in the table.
        let mut looked_up = None;
        for position in page.position(self.of.shape(), from)?..=page.last {
            // SAFETY: tells of the transaction.
            if page.is_dead(position)? && !unsafe { TransactionStartedDuringRecovery() } {
                continue;
            }
            let tuple = page.tuple(position)?;
            let columns = tuple.columns(self.of.shape())?;
            if !columns.begins_with(prefix) {
                return Ok(Step::Done(None));
            }
            let carried = tuple.carried(self.of.shape())?;
            for row in 0..tuple.rows() {
                let place = tuple.row(row)?;
                let key = columns.place(place);
                // Only the first entry's rows may lie on both sides.
                if tuple.rows() > 1 && key < *from {
                    continue;
                }
                let Some(left) = room.checked_sub(1) else {
                    return Ok(Step::Done(Some(key)));
                };
                *room = left;
                let seen_by_all = match looked_up {
                    Some((block, seen)) if block == place.block => seen,
                    _ => {
                        // SAFETY: an open table; the map's page stays pinned in `map`.
                        let status = unsafe {
                            visibilitymap_get_status(self.table(), place.block, &mut map)
                        };
                        self.map.set(map);
                        let seen = u32::from(status) & pg_sys::VISIBILITYMAP_ALL_VISIBLE != 0;
                        looked_up = Some((place.block, seen));
                        seen
                    }
                };
                entries.push(Entry {
                    key,
                    carried,
                    seen_by_all,
                });
            }
        }
        go_on(&page)
    }

    /// # Safety
    /// Within a guard.
    unsafe fn table(&self) -> pg_sys::Relation {
        // SAFETY: locked.
        unsafe { opened(&self.table, self.target.table) }
    }

    /// # Safety
    /// Within a guard.
    unsafe fn index(&self) -> pg_sys::Relation {
        // SAFETY: locked.
        unsafe { opened(&self.index, self.target.index) }
    }
}

enum Step {
    GoOn(pg_sys::BlockNumber),
    Done(Option<Key>),
}
