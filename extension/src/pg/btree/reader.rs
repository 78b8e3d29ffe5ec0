//! How to come to a page among concurrent splits, deletions and vacuum, and what is read there.

use std::cell::Cell;

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::key::{Key, Place};
use super::nbtree::*;
use super::page::Page;
use super::tuple::{Carried, Corrupt, Tuple};
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
    pub(super) of: Index,
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
        let (mut from, mut room) = (from, limit);
        loop {
            // SAFETY: the relations are locked. The closure owns nothing that has to be
            // dropped, and doesn't panic: pages are read with bounds checked.
            let rest =
                unsafe { pg_guard_ffi_boundary(|| self.collect(prefix, from, &mut room, entries)) };
            pgrx::check_for_interrupts!();
            match rest.map_err(|corrupt| self.failure(corrupt))? {
                Some(reached) if room > 0 => from = reached,
                rest => return Ok(rest),
            }
        }
    }

    pub(super) fn failure(&self, _: Corrupt) -> Failure {
        let name = self.of.name();
        Failure::new(
            SqlState::IndexUnusable,
            format!("checks can't be answered: a page of index deed.{name} is corrupt"),
        )
        .hint(format!(
            "REINDEX INDEX deed.{name}, and look for what broke it."
        ))
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
        let sees = unsafe {
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
        };
        pgrx::check_for_interrupts!();
        sees
    }

    /// As many pages as may be read before interrupts are taken; gives where to go on.
    ///
    /// # Safety
    /// Within a guard.
    unsafe fn collect(
        &self,
        prefix: &Key,
        from: Key,
        room: &mut usize,
        entries: &mut Vec<Entry>,
    ) -> Result<Option<Key>, Corrupt> {
        let mut reached = from;
        // SAFETY: the caller's; a leaf is pinned and locked until `read` gives it back.
        unsafe {
            let Some(mut leaf) = self.descend(&from)? else {
                return Ok(None);
            };
            for _ in 0..MOST_PAGES {
                let step = self.read(leaf, entries, |page, entries| {
                    self.collect_page(page, prefix, &from, room, entries)
                })?;
                match step {
                    Step::Done(rest) => return Ok(rest),
                    Step::GoOn(right, end) => {
                        reached = end.unwrap_or(reached);
                        leaf = linked(self.index(), right);
                    }
                }
            }
            _bt_relbuf(self.index(), leaf);
        }
        Ok(Some(reached))
    }

    /// Reads a leaf by `look`, which adds to the entries, and gives it back.
    ///
    /// Its bytes are read under a share lock. Whether everybody sees a row is asked behind that, for it may
    /// open the table and read a page; but before the pin is given back, for vacuum waits for that and could
    /// give the row's place away (nodeIndexonlyscan.c).
    ///
    /// # Safety
    /// Within a guard; the leaf is pinned and share-locked.
    pub(super) unsafe fn read<T>(
        &self,
        leaf: pg_sys::Buffer,
        entries: &mut Vec<Entry>,
        look: impl FnOnce(&Page<'_>, &mut Vec<Entry>) -> Result<T, Corrupt>,
    ) -> Result<T, Corrupt> {
        let before = entries.len();
        // SAFETY: the caller's.
        unsafe {
            protect(self.index(), leaf);
            let found = page(leaf).and_then(|page| look(&page, entries));
            LockBuffer(leaf, UNLOCK);
            self.look_who_sees(&mut entries[before..]);
            ReleaseBuffer(leaf);
            found
        }
    }

    /// Notes which rows everybody sees.
    ///
    /// # Safety
    /// Within a guard; the leaf that the entries are from is pinned.
    unsafe fn look_who_sees(&self, entries: &mut [Entry]) {
        // SAFETY: the caller's.
        let table = unsafe { self.table() };
        let mut map = self.map.get();
        // Neighbours in an index are often neighbours in the table.
        let mut last = None;
        for entry in entries {
            let block = entry.key.row().block;
            entry.seen_by_all = match last {
                Some((of, seen)) if of == block => seen,
                _ => {
                    // SAFETY: an open table; the map's page stays pinned in `map`.
                    let status = unsafe { visibilitymap_get_status(table, block, &mut map) };
                    self.map.set(map);
                    u32::from(status) & pg_sys::VISIBILITYMAP_ALL_VISIBLE != 0
                }
            };
            last = Some((block, entry.seen_by_all));
        }
    }

    fn collect_page(
        &self,
        page: &Page<'_>,
        prefix: &Key,
        from: &Key,
        room: &mut usize,
        entries: &mut Vec<Entry>,
    ) -> Result<Step, Corrupt> {
        let shape = self.of.shape();
        if page.is_ignored() {
            return Ok(match page.right {
                Some(right) => Step::GoOn(right, None),
                None => Step::Done(None),
            });
        }
        for position in page.position(shape, from, None)?..=page.last {
            if page.is_dead(position)? && self.trusts_marks() {
                continue;
            }
            let tuple = page.tuple(position)?;
            let columns = tuple.columns(shape)?;
            if !columns.begins_with(prefix) {
                return Ok(Step::Done(None));
            }
            let left = self.add(&tuple, &columns, from, room, entries)?;
            if left.is_some() {
                return Ok(Step::Done(left));
            }
        }
        match page.right {
            Some(right) if !page.ends(shape, prefix)? => {
                Ok(Step::GoOn(right, Some(page.end(shape)?)))
            }
            _ => Ok(Step::Done(None)),
        }
    }

    /// Whether an entry that is marked as dead is so to this transaction: on a standby the mark may be the
    /// primary's, which knows nothing of it.
    pub(super) fn trusts_marks(&self) -> bool {
        // SAFETY: tells of the transaction, and raises nothing.
        !unsafe { TransactionStartedDuringRecovery() }
    }

    /// Adds an entry's rows from `from` on; gives the first one for which there is no room.
    #[inline]
    pub(super) fn add(
        &self,
        tuple: &Tuple<'_>,
        columns: &Key,
        from: &Key,
        room: &mut usize,
        entries: &mut Vec<Entry>,
    ) -> Result<Option<Key>, Corrupt> {
        let carried = tuple.carried(self.of.shape())?;
        for row in 0..tuple.rows() {
            let key = columns.place(tuple.row(row)?);
            // Only the first entry's rows may lie on both sides.
            if tuple.rows() > 1 && key < *from {
                continue;
            }
            let Some(left) = room.checked_sub(1) else {
                return Ok(Some(key));
            };
            *room = left;
            entries.push(Entry {
                key,
                carried,
                seen_by_all: false,
            });
        }
        Ok(None)
    }

    /// # Safety
    /// Within a guard.
    unsafe fn table(&self) -> pg_sys::Relation {
        // SAFETY: locked.
        unsafe { opened(&self.table, self.target.table) }
    }

    /// # Safety
    /// Within a guard.
    pub(super) unsafe fn index(&self) -> pg_sys::Relation {
        // SAFETY: locked.
        unsafe { opened(&self.index, self.target.index) }
    }
}

/// So many pages are read before interrupts are taken.
pub(super) const MOST_PAGES: usize = 64;

enum Step {
    /// To the right sibling; behind that key, where the page says so.
    GoOn(pg_sys::BlockNumber, Option<Key>),
    /// Where to go on, if there is more.
    Done(Option<Key>),
}
