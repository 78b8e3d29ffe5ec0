//! Where the tables and indexes that checks read are, and that they are what they should be.
//!
//! Found once a backend and kept until Postgres says that one of them changed.

use std::cell::Cell;
use std::ffi::c_void;
use std::rc::Rc;

use deed_core::{Level, RecipientKind};
use pgrx::pg_sys;

use super::enums::oid_of;
use super::indexes::EXPECTED;
pub use super::indexes::Index;
use super::inspection::{find, is_old_enough, require_old_enough};
use crate::failure::{Failure, SqlState};

/// A table and the index on it that a probe reads.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Target {
    /// The table's OID.
    pub table: pg_sys::Oid,
    /// The index's OID.
    pub index: pg_sys::Oid,
    /// Transactions that began before this one's end must not read the index: it lacks rows that they see
    /// (pg_index.indcheckxmin).
    pub(super) too_new_before: Option<pg_sys::TransactionId>,
}

/// Everything that checks look up by OID.
pub struct Catalog {
    targets: [Target; Index::COUNT],
    levels: [(Level, pg_sys::Oid); 3],
    /// Label of the kind of principals that sign in.
    pub user: pg_sys::Oid,
}

thread_local! {
    static CACHED: Cell<Option<Rc<Catalog>>> = const { Cell::new(None) };
    /// How many invalidations have come: one that comes while the indexes are looked for may
    /// concern one that was found already.
    static INVALIDATIONS: Cell<u64> = const { Cell::new(0) };
    /// The indexes that this transaction has locked, a bit each in the order of [`Index`]: asking
    /// the lock manager each time would cost a check as much as a look into a small index.
    static LOCKED: Cell<u16> = const { Cell::new(0) };
}

const _: () = assert!(Index::COUNT <= u16::BITS as usize);

impl Catalog {
    /// The level whose label has this OID.
    pub fn level(&self, oid: pg_sys::Oid) -> Option<Level> {
        let found = self.levels.iter().find(|(_, label)| *label == oid);
        found.map(|(level, _)| *level)
    }

    /// The OID of a level's label.
    pub fn level_oid(&self, level: Level) -> pg_sys::Oid {
        self.levels[level as usize].1
    }
}

/// Asks Postgres to tell of changes, and of the end of locks; once a backend.
pub fn watch_changes() {
    // SAFETY: the callbacks stay loaded as long as the library, which Postgres never unloads.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(forget), pg_sys::Datum::from(0_usize));
        pg_sys::RegisterXactCallback(Some(forget_locks), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(forget_locks_within), std::ptr::null_mut());
    }
}

/// At whatever end of a transaction.
unsafe extern "C-unwind" fn forget_locks(_: pg_sys::XactEvent::Type, _: *mut c_void) {
    LOCKED.set(0);
}

/// A subtransaction that is rolled back gives away what it locked; one that commits hands it on.
unsafe extern "C-unwind" fn forget_locks_within(
    event: pg_sys::SubXactEvent::Type,
    _: pg_sys::SubTransactionId,
    _: pg_sys::SubTransactionId,
    _: *mut c_void,
) {
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB {
        LOCKED.set(0);
    }
}

/// Runs in the middle of invalidation processing, where nothing may be looked up or raised.
unsafe extern "C-unwind" fn forget(_argument: pg_sys::Datum, relation: pg_sys::Oid) {
    INVALIDATIONS.set(INVALIDATIONS.get().wrapping_add(1));
    let concerned = cached().is_some_and(|catalog| {
        let concerns = |target: &Target| relation == target.table || relation == target.index;
        catalog.targets.iter().any(concerns)
    });
    if concerned || relation == pg_sys::InvalidOid {
        CACHED.set(None);
        LOCKED.set(0);
    }
}

/// The catalog as last seen.
fn cached() -> Option<Rc<Catalog>> {
    let catalog = CACHED.take();
    CACHED.set(catalog.clone());
    catalog
}

/// The catalog as last seen, or found anew.
pub fn current() -> Result<Rc<Catalog>, Failure> {
    loop {
        if let Some(catalog) = cached() {
            return Ok(catalog);
        }
        let invalidations = INVALIDATIONS.get();
        let found = find_all();
        // Both what was found and that something was not may be past already.
        if invalidations == INVALIDATIONS.get() {
            CACHED.set(Some(Rc::new(found?)));
        }
        pgrx::check_for_interrupts!();
    }
}

fn find_all() -> Result<Catalog, Failure> {
    let mut targets = [Target::default(); Index::COUNT];
    for (target, expected) in targets.iter_mut().zip(&EXPECTED) {
        *target = find(expected)?;
    }
    let levels = Level::ALL.map(|level| (level, oid_of(level)));
    // Labels made with their type have even OIDs that ascend, and indexes compare these as numbers
    // (enum_cmp_internal); one that was added later would be compared otherwise.
    let labels = levels.map(|(_, label)| label.to_u32());
    if !labels.is_sorted() || labels.iter().any(|label| label % 2 != 0) {
        return Err(Failure::new(
            SqlState::IndexUnusable,
            "checks can't be answered: the labels of deed.permission_level are not in their order",
        )
        .hint("The type must be as CREATE EXTENSION deed made it."));
    }
    Ok(Catalog {
        targets,
        levels,
        user: oid_of(RecipientKind::User),
    })
}

/// Gives the target, locked.
///
/// Taking a lock processes invalidations, so an index that was replaced meanwhile is found anew.
pub fn lock(index: Index) -> Result<Target, Failure> {
    loop {
        let target = current()?.targets[index as usize];
        if LOCKED.get() & 1 << index as u16 != 0 {
            return Ok(target);
        }
        lock_table(target.table);
        let known = cached().map(|catalog| catalog.targets);
        if let Some(targets) = known
            && targets[index as usize] == target
        {
            // Once a transaction, whose horizon only grows: of the table's others only those count as locked
            // that it may read too.
            require_old_enough(index, &target)?;
            let may_be_read = |of: &Target| of.table == target.table && is_old_enough(of);
            let of_table = |(n, of): (usize, &Target)| u16::from(may_be_read(of)) << n;
            let bits = targets.iter().enumerate().map(of_table);
            LOCKED.set(bits.fold(LOCKED.get(), |locked, bit| locked | bit));
            return Ok(target);
        }
        pgrx::check_for_interrupts!();
    }
}

/// Locks a table, then all its indexes in the order of their ids, as the planner does.
///
/// The order matters: REINDEX CONCURRENTLY and DROP INDEX wait for those who hold the table; REINDEX TABLE
/// takes one index after the other, and would meet whoever holds one and asks for another later in
/// a deadlock. A table that is gone is not locked.
pub(super) fn lock_table(table: pg_sys::Oid) {
    let share = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: the relation is open while its list of indexes is copied. Locks are kept to the end of
    // the transaction, as for any table that a query has read; locking an id is allowed even when
    // its index is gone.
    unsafe {
        let relation = pg_sys::try_relation_open(table, share);
        if relation.is_null() {
            return;
        }
        let indexes = pg_sys::RelationGetIndexList(relation);
        pg_sys::relation_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        for index in pgrx::PgList::<pg_sys::Oid>::from_pg(indexes).iter_oid() {
            pg_sys::LockRelationOid(index, share);
        }
    }
}
