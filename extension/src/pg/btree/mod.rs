//! Reading btree indexes directly.
//!
//! A look into an index through its access method allocates, opens and compares for longer than it
//! reads. Here the pages are read as they lie: [`page`] knows their format, [`key`] their order, this
//! file how to come to them among concurrent splits, deletions and vacuum (Lehman and Yao, as
//! nbtree's README tells it). contrib/amcheck reads them the same way.
//!
//! What a scan owes to others it does as nodeIndexonlyscan.c and nbtsearch.c do: rows by the
//! visibility map while the page is pinned, else by the table; predicate locks under SERIALIZABLE;
//! marks of dead entries not trusted in a transaction that began on a standby. Nothing is written,
//! and no pin, lock or position outlives a [`fetch`](Reader::fetch).

pub mod key;
pub mod page;
pub mod range;

use std::cell::{Cell, OnceCell};

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use uuid::Uuid;

use self::key::{Key, Place};
use self::page::{Carried, Corrupt, Page};
use self::range::Range;
use super::catalog::{self, Index, Target};
use super::session::is_serializable;
use crate::failure::{Failure, SqlState};

// Not part of pgrx's bindings, or called so often that one guard stands around them all.
unsafe extern "C-unwind" {
    #[cfg(feature = "pg15")]
    fn _bt_getroot(index: pg_sys::Relation, access: i32) -> pg_sys::Buffer;
    #[cfg(not(feature = "pg15"))]
    fn _bt_getroot(index: pg_sys::Relation, table: pg_sys::Relation, access: i32)
    -> pg_sys::Buffer;
    fn _bt_relandgetbuf(
        index: pg_sys::Relation,
        held: pg_sys::Buffer,
        block: pg_sys::BlockNumber,
        access: i32,
    ) -> pg_sys::Buffer;
    fn _bt_relbuf(index: pg_sys::Relation, held: pg_sys::Buffer);
    fn PredicateLockRelation(relation: pg_sys::Relation, snapshot: pg_sys::Snapshot);
    fn PredicateLockPage(
        relation: pg_sys::Relation,
        block: pg_sys::BlockNumber,
        snapshot: pg_sys::Snapshot,
    );
    fn BufferGetBlockNumber(buffer: pg_sys::Buffer) -> pg_sys::BlockNumber;
    fn visibilitymap_get_status(
        table: pg_sys::Relation,
        block: pg_sys::BlockNumber,
        map: *mut pg_sys::Buffer,
    ) -> u8;
    fn table_index_fetch_tuple_check(
        table: pg_sys::Relation,
        row: pg_sys::ItemPointer,
        snapshot: pg_sys::Snapshot,
        all_dead: *mut bool,
    ) -> bool;
    fn ReleaseBuffer(buffer: pg_sys::Buffer);
    fn GetActiveSnapshot() -> pg_sys::Snapshot;
    fn TransactionStartedDuringRecovery() -> bool;
    fn relation_open(relation: pg_sys::Oid, lock: i32) -> pg_sys::Relation;
    fn relation_close(relation: pg_sys::Relation, lock: i32);
}

/// BT_READ
const SHARED: i32 = pg_sys::BUFFER_LOCK_SHARE as i32;
const NO_LOCK: i32 = pg_sys::NoLock as i32;
const NO_BUFFER: pg_sys::Buffer = pg_sys::InvalidBuffer as pg_sys::Buffer;

/// One entry of an index: a key, and what the index carries beside it.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Columns and row.
    pub key: Key,
    /// The other columns.
    pub carried: Carried,
    place: Place,
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

/// The indexes that one question reads, each opened when it is first needed.
#[derive(Default)]
pub struct Indexes {
    opened: [OnceCell<Reader>; Index::COUNT],
}

/// Asks a question and closes what it opened.
///
/// A failure must become an error, as it does in `entry`: Postgres then closes the indexes.
pub fn ask<T>(question: impl FnOnce(&Indexes) -> Result<T, Failure>) -> Result<T, Failure> {
    let indexes = Indexes::default();
    let answer = question(&indexes)?;
    // SAFETY: what `collect` and `table` opened and pinned; no frame here has anything to drop.
    unsafe { pg_guard_ffi_boundary(|| indexes.opened.iter().for_each(close)) };
    Ok(answer)
}

/// Within a guard.
fn close(reader: &OnceCell<Reader>) {
    let Some(reader) = reader.get() else {
        return;
    };
    // SAFETY: what the reader opened and pinned, once.
    unsafe {
        if reader.map.get() != NO_BUFFER {
            ReleaseBuffer(reader.map.get());
        }
        for relation in [reader.index.get(), reader.table.get()] {
            if !relation.is_null() {
                relation_close(relation, NO_LOCK);
            }
        }
    }
}

impl Indexes {
    /// An index, locked.
    pub fn get(&self, index: Index) -> Result<&Reader, Failure> {
        let place = &self.opened[index as usize];
        match place.get() {
            Some(reader) => Ok(reader),
            None => {
                let target = catalog::lock(index)?;
                Ok(place.get_or_init(|| Reader {
                    of: index,
                    target,
                    index: Cell::new(std::ptr::null_mut()),
                    table: Cell::new(std::ptr::null_mut()),
                    map: Cell::new(NO_BUFFER),
                }))
            }
        }
    }

    /// The entries that begin with a key and go on with an id.
    pub fn range(&self, index: Index, prefix: Key) -> Result<Range<'_>, Failure> {
        Ok(Range::new(self.get(index)?, prefix))
    }

    /// The entry with this id whose row the snapshot sees, in an index of ids.
    pub fn row(&self, index: Index, id: Uuid) -> Result<Option<Entry>, Failure> {
        self.range(index, Key::EMPTY)?.seen(id, |_| true)
    }
}

impl Reader {
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
        let Place { block, line } = entry.place;
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
            self.count();
            let Some(mut leaf) = self.descend(&from)? else {
                return Ok(None);
            };
            let mut room = limit;
            loop {
                self.protect(leaf);
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
            let mut held = self.root();
            if held == NO_BUFFER && is_serializable() {
                // Nothing finer is there to lock; what came in between is found the second time.
                PredicateLockRelation(self.index(), GetActiveSnapshot());
                held = self.root();
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
                    place,
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

    /// # Safety
    /// Within a guard.
    unsafe fn root(&self) -> pg_sys::Buffer {
        // SAFETY: an open relation.
        #[cfg(feature = "pg15")]
        unsafe {
            _bt_getroot(self.index(), SHARED)
        }
        // SAFETY: an open relation; the table is asked for by those that write.
        #[cfg(not(feature = "pg15"))]
        unsafe {
            _bt_getroot(self.index(), std::ptr::null_mut(), SHARED)
        }
    }

    /// What reading a leaf owes to serializable writers, and on 15 and 16 to old_snapshot_threshold.
    ///
    /// # Safety
    /// Within a guard; `leaf` is pinned and locked.
    unsafe fn protect(&self, leaf: pg_sys::Buffer) {
        // SAFETY: the caller's; the snapshot is the active one.
        unsafe {
            if is_serializable() {
                PredicateLockPage(
                    self.index(),
                    BufferGetBlockNumber(leaf),
                    GetActiveSnapshot(),
                );
            }
            #[cfg(any(feature = "pg15", feature = "pg16"))]
            if pg_sys::old_snapshot_threshold >= 0 {
                let page = pg_sys::BufferGetPage(leaf) as pg_sys::PageHeader;
                let lsn = (*page).pd_lsn;
                let lsn = u64::from(lsn.xlogid) << 32 | u64::from(lsn.xrecoff);
                let snapshot = &*GetActiveSnapshot();
                if snapshot.snapshot_type == pg_sys::SnapshotType::SNAPSHOT_MVCC
                    && snapshot.lsn != 0
                    && lsn > snapshot.lsn
                {
                    pg_sys::TestForOldSnapshot_impl(GetActiveSnapshot(), self.index());
                }
            }
        }
    }

    /// Counts a scan, so that nobody takes the index for unused.
    ///
    /// # Safety
    /// Within a guard.
    unsafe fn count(&self) {
        // SAFETY: an open relation; Postgres keeps its counters as long (pgstat_count_index_scan).
        unsafe {
            let index = &mut *self.index();
            if index.pgstat_info.is_null() && index.pgstat_enabled {
                pg_sys::pgstat_assoc_relation(self.index());
            }
            if let Some(counters) = index.pgstat_info.as_mut() {
                #[cfg(feature = "pg15")]
                {
                    counters.t_counts.t_numscans += 1;
                }
                #[cfg(not(feature = "pg15"))]
                {
                    counters.counts.numscans += 1;
                }
            }
        }
    }
}

/// # Safety
/// Within a guard; the relation is locked.
unsafe fn opened(place: &Cell<pg_sys::Relation>, id: pg_sys::Oid) -> pg_sys::Relation {
    if place.get().is_null() {
        // SAFETY: the caller's.
        place.set(unsafe { relation_open(id, NO_LOCK) });
    }
    place.get()
}

enum Step {
    GoOn(pg_sys::BlockNumber),
    Done(Option<Key>),
}

/// # Safety
/// The buffer is pinned and locked, longer than the page is used.
unsafe fn page<'a>(buffer: pg_sys::Buffer) -> Result<Page<'a>, Corrupt> {
    // SAFETY: a pinned buffer's page has BLCKSZ bytes, which change under an exclusive lock alone;
    // but for marks of dead entries and the page's LSN, which are set under a share lock: such a
    // byte is read once or not relied on.
    let bytes = unsafe {
        let page = pg_sys::BufferGetPage(buffer) as *const u8;
        std::slice::from_raw_parts(page, pg_sys::BLCKSZ as usize)
    };
    Page::new(bytes)
}
