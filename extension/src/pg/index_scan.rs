//! A look into an index, answered without the table where the visibility map allows it.
//!
//! Follows nodeIndexonlyscan.c. A scan is opened and closed within one call: one kept open over
//! calls outlives memory contexts, pins and snapshots that it needs.

use std::ops::ControlFlow;

use pgrx::pg_sys;
use uuid::Uuid;

use super::catalog::Target;
use super::session::is_serializable;

// storage/predicate.h is not part of pgrx's bindings.
unsafe extern "C-unwind" {
    fn PredicateLockPage(
        relation: pg_sys::Relation,
        block: pg_sys::BlockNumber,
        snapshot: pg_sys::Snapshot,
    );
}

/// More than any index in `catalog` has; each is checked against its expected columns there.
const MAX_COLUMNS: usize = 8;

/// One entry of an index, valid while it is read.
pub struct Entry {
    values: [pg_sys::Datum; MAX_COLUMNS],
    nulls: [bool; MAX_COLUMNS],
}

impl Entry {
    /// A column's datum, or `None` for null, by position from 0.
    pub fn column(&self, position: usize) -> Option<pg_sys::Datum> {
        (!self.nulls[position]).then_some(self.values[position])
    }

    /// A column that the index defines as a uuid and not null.
    pub fn uuid(&self, position: usize) -> Uuid {
        let datum = self.column(position).expect("a column that is not null");
        // SAFETY: a uuid datum points to its 16 bytes, here within the index page that the scan
        // pins; the caller names a column of that type (`catalog` holds the indexes to theirs).
        unsafe { Uuid::from_bytes(*datum.cast_mut_ptr::<[u8; 16]>()) }
    }
}

/// Looks for the row with these keys and reads from its entry; see [`each`].
pub fn first<T>(target: Target, keys: &[Uuid], read: impl FnOnce(&Entry) -> T) -> Option<T> {
    let mut read = Some(read);
    let mut found = None;
    each(target, keys, |entry| {
        found = read.take().map(|read| read(entry));
        ControlFlow::Break(())
    });
    found
}

/// Visits the entries with these keys, in the index's order, whose rows the active snapshot sees.
///
/// `target` must be locked; its first `keys.len()` index columns must be uuids. `visit` must not
/// call Postgres.
pub fn each(target: Target, keys: &[Uuid], mut visit: impl FnMut(&Entry) -> ControlFlow<()>) {
    // SAFETY: both relations are open and locked until closed below; the snapshot is the active
    // one, which outlives the call. Values are read from the index entry while the scan still
    // pins its page. On an error Postgres' resource owner releases pins and relations; there is
    // no Drop here that could run into Postgres while unwinding.
    unsafe {
        let no_lock = pg_sys::NoLock as pg_sys::LOCKMODE;
        let heap = pg_sys::table_open(target.table, no_lock);
        let index = pg_sys::index_open(target.index, no_lock);
        let snapshot = pg_sys::GetActiveSnapshot();
        let mut scan_keys: Vec<pg_sys::ScanKeyData> = Vec::with_capacity(keys.len());
        for (position, key) in keys.iter().enumerate() {
            let mut scan_key = pg_sys::ScanKeyData::default();
            pg_sys::ScanKeyInit(
                &mut scan_key,
                position as pg_sys::AttrNumber + 1,
                pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
                pg_sys::Oid::from(pg_sys::F_UUID_EQ),
                // A uuid is passed by reference; `keys` outlives the scan.
                pg_sys::Datum::from(key.as_bytes().as_ptr()),
            );
            scan_keys.push(scan_key);
        }
        let scan = begin(heap, index, snapshot, keys.len() as i32);
        (*scan).xs_want_itup = true;
        pg_sys::index_rescan(
            scan,
            scan_keys.as_mut_ptr(),
            keys.len() as i32,
            std::ptr::null_mut(),
            0,
        );
        let mut entry = Entry {
            values: [pg_sys::Datum::null(); MAX_COLUMNS],
            nulls: [true; MAX_COLUMNS],
        };
        while visible_entry(scan, heap, snapshot) {
            pg_sys::index_deform_tuple(
                (*scan).xs_itup,
                (*scan).xs_itupdesc,
                entry.values.as_mut_ptr(),
                entry.nulls.as_mut_ptr(),
            );
            if visit(&entry).is_break() {
                break;
            }
            pgrx::check_for_interrupts!();
        }
        pg_sys::index_endscan(scan);
        pg_sys::index_close(index, no_lock);
        pg_sys::table_close(heap, no_lock);
    }
}

/// Moves the scan to the next entry whose row the snapshot sees.
///
/// # Safety
/// `scan` must be a started scan of an index of the open table `heap` under `snapshot`.
unsafe fn visible_entry(
    scan: pg_sys::IndexScanDesc,
    heap: pg_sys::Relation,
    snapshot: pg_sys::Snapshot,
) -> bool {
    // SAFETY: as the caller's; the slot and the visibility map's buffer are released below.
    unsafe {
        let mut map_buffer = pg_sys::InvalidBuffer as pg_sys::Buffer;
        let mut slot: *mut pg_sys::TupleTableSlot = std::ptr::null_mut();
        let mut visible = false;
        while !visible {
            let tid = pg_sys::index_getnext_tid(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tid.is_null() {
                break;
            }
            let block = pgrx::itemptr::item_pointer_get_block_number(tid);
            let status = pg_sys::visibilitymap_get_status(heap, block, &mut map_buffer);
            if u32::from(status) & pg_sys::VISIBILITYMAP_ALL_VISIBLE != 0 {
                // A fetch from the table would have done this (predicate.c).
                if is_serializable() {
                    pg_sys::ffi::pg_guard_ffi_boundary(|| {
                        PredicateLockPage(heap, block, snapshot);
                    });
                }
                visible = true;
            } else {
                if slot.is_null() {
                    slot = pg_sys::table_slot_create(heap, std::ptr::null_mut());
                }
                visible = pg_sys::index_fetch_heap(scan, slot);
                pg_sys::ExecClearTuple(slot);
                pgrx::check_for_interrupts!();
            }
        }
        if !slot.is_null() {
            pg_sys::ExecDropSingleTupleTableSlot(slot);
        }
        if map_buffer != pg_sys::InvalidBuffer as pg_sys::Buffer {
            pg_sys::ReleaseBuffer(map_buffer);
        }
        visible
    }
}

/// # Safety
/// Open relations, a live snapshot.
unsafe fn begin(
    heap: pg_sys::Relation,
    index: pg_sys::Relation,
    snapshot: pg_sys::Snapshot,
    keys: i32,
) -> pg_sys::IndexScanDesc {
    // SAFETY: the caller's.
    #[cfg(not(feature = "pg18"))]
    unsafe {
        pg_sys::index_beginscan(heap, index, snapshot, keys, 0)
    }
    // SAFETY: the caller's; no instrumentation is asked for.
    #[cfg(feature = "pg18")]
    unsafe {
        pg_sys::index_beginscan(heap, index, snapshot, std::ptr::null_mut(), keys, 0)
    }
}
