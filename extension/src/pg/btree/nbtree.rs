//! What of nbtree and the storage below it is called.

use std::cell::Cell;

use pgrx::pg_sys;

use super::page::Page;
use super::tuple::Corrupt;
use crate::pg::session::is_serializable;

// Within a guard nothing may be called through pgrx's own bindings: these make a panic of an error, and a
// panic can't leave the guard that stands around all of these calls; the process would abort. So whatever
// can raise is declared here as it is.
unsafe extern "C-unwind" {
    #[cfg(feature = "pg15")]
    pub fn _bt_getroot(index: pg_sys::Relation, access: i32) -> pg_sys::Buffer;
    #[cfg(not(feature = "pg15"))]
    pub fn _bt_getroot(
        index: pg_sys::Relation,
        table: pg_sys::Relation,
        access: i32,
    ) -> pg_sys::Buffer;
    pub fn _bt_relandgetbuf(
        index: pg_sys::Relation,
        held: pg_sys::Buffer,
        block: pg_sys::BlockNumber,
        access: i32,
    ) -> pg_sys::Buffer;
    pub fn _bt_relbuf(index: pg_sys::Relation, held: pg_sys::Buffer);
    pub fn LockBuffer(buffer: pg_sys::Buffer, mode: i32);
    fn pgstat_assoc_relation(relation: pg_sys::Relation);
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    fn TestForOldSnapshot_impl(snapshot: pg_sys::Snapshot, relation: pg_sys::Relation);
    pub fn PredicateLockRelation(relation: pg_sys::Relation, snapshot: pg_sys::Snapshot);
    pub fn PredicateLockPage(
        relation: pg_sys::Relation,
        block: pg_sys::BlockNumber,
        snapshot: pg_sys::Snapshot,
    );
    pub fn BufferGetBlockNumber(buffer: pg_sys::Buffer) -> pg_sys::BlockNumber;
    pub fn visibilitymap_get_status(
        table: pg_sys::Relation,
        block: pg_sys::BlockNumber,
        map: *mut pg_sys::Buffer,
    ) -> u8;
    pub fn table_index_fetch_tuple_check(
        table: pg_sys::Relation,
        row: pg_sys::ItemPointer,
        snapshot: pg_sys::Snapshot,
        all_dead: *mut bool,
    ) -> bool;
    pub fn ReleaseBuffer(buffer: pg_sys::Buffer);
    pub fn GetActiveSnapshot() -> pg_sys::Snapshot;
    pub fn TransactionStartedDuringRecovery() -> bool;
    pub fn relation_open(relation: pg_sys::Oid, lock: i32) -> pg_sys::Relation;
    pub fn relation_close(relation: pg_sys::Relation, lock: i32);
}

/// BT_READ
pub const SHARED: i32 = pg_sys::BUFFER_LOCK_SHARE as i32;
pub const UNLOCK: i32 = pg_sys::BUFFER_LOCK_UNLOCK as i32;
pub const NO_LOCK: i32 = pg_sys::NoLock as i32;
pub const NO_BUFFER: pg_sys::Buffer = pg_sys::InvalidBuffer as pg_sys::Buffer;

/// # Safety
/// Within a guard; the relation is locked.
pub unsafe fn opened(place: &Cell<pg_sys::Relation>, id: pg_sys::Oid) -> pg_sys::Relation {
    if place.get().is_null() {
        // SAFETY: the caller's.
        place.set(unsafe { relation_open(id, NO_LOCK) });
    }
    place.get()
}

/// The root, pinned and share-locked; none in an empty index.
///
/// # Safety
/// Within a guard.
pub unsafe fn root(index: pg_sys::Relation) -> pg_sys::Buffer {
    // SAFETY: an open relation.
    #[cfg(feature = "pg15")]
    unsafe {
        _bt_getroot(index, SHARED)
    }
    // SAFETY: an open relation; the table is asked for by those that write.
    #[cfg(not(feature = "pg15"))]
    unsafe {
        _bt_getroot(index, std::ptr::null_mut(), SHARED)
    }
}

/// A page that a link leads to, pinned and share-locked. Nothing needs to be held on the way: while there is
/// a snapshot a deleted page is not given to another use (nbtree's README).
///
/// # Safety
/// Within a guard.
pub unsafe fn linked(index: pg_sys::Relation, block: pg_sys::BlockNumber) -> pg_sys::Buffer {
    // SAFETY: an open relation; nothing is released.
    unsafe { _bt_relandgetbuf(index, NO_BUFFER, block, SHARED) }
}

/// What reading a leaf owes to serializable writers, and on 15 and 16 to old_snapshot_threshold.
///
/// # Safety
/// Within a guard; `leaf` is pinned and locked.
pub unsafe fn protect(index: pg_sys::Relation, leaf: pg_sys::Buffer) {
    // SAFETY: the caller's; the snapshot is the active one.
    unsafe {
        if is_serializable() {
            PredicateLockPage(index, BufferGetBlockNumber(leaf), GetActiveSnapshot());
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
                TestForOldSnapshot_impl(GetActiveSnapshot(), index);
            }
        }
    }
}

/// Counts a scan, so that nobody takes the index for unused.
///
/// # Safety
/// Within a guard.
pub unsafe fn count(index: pg_sys::Relation) {
    // SAFETY: an open relation; Postgres keeps its counters as long (pgstat_count_index_scan).
    unsafe {
        let relation = &mut *index;
        if relation.pgstat_info.is_null() && relation.pgstat_enabled {
            pgstat_assoc_relation(index);
        }
        if let Some(counters) = relation.pgstat_info.as_mut() {
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

/// A page's bytes.
///
/// # Safety
/// The buffer is pinned and locked, longer than the page is used.
pub unsafe fn page<'a>(buffer: pg_sys::Buffer) -> Result<Page<'a>, Corrupt> {
    // SAFETY: a pinned buffer's page has BLCKSZ bytes, which change under an exclusive lock alone;
    // but for marks of dead entries and the page's LSN, which are set under a share lock: such a
    // byte is read once or not relied on.
    let bytes = unsafe {
        let page = pg_sys::BufferGetPage(buffer) as *const u8;
        std::slice::from_raw_parts(page, pg_sys::BLCKSZ as usize)
    };
    Page::new(bytes)
}
