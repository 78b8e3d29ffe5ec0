//! Whether an index is what the reader expects, and may be read.

use pgrx::datum::FromDatum;
use pgrx::pg_sys;

use super::btree::key::{Column, Included, Shape};
use super::catalog::{Target, lock_table};
use super::indexes::{Expected, Index};
use crate::failure::{Failure, SqlState};

/// Finds the index and holds it to what is expected of it; its table is locked.
pub fn find(expected: &Expected) -> Result<Target, Failure> {
    let share = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: plain catalog look-ups by name, then a relation opened under a lock, inspected
    // through its relcache entry while it is open, and closed.
    unsafe {
        let namespace = pg_sys::get_namespace_oid(c"deed".as_ptr(), true);
        let table = pg_sys::get_relname_relid(expected.table.as_ptr(), namespace);
        if table == pg_sys::InvalidOid {
            return Err(unusable(expected, "has no table"));
        }
        lock_table(table);
        let index = pg_sys::get_relname_relid(expected.index.as_ptr(), namespace);
        if index == pg_sys::InvalidOid {
            return Err(unusable(expected, "does not exist"));
        }
        let relation = pg_sys::try_index_open(index, share);
        if relation.is_null() {
            return Err(unusable(expected, "does not exist"));
        }
        let problem = inspect(&*relation, table, expected);
        let too_new_before = (*(*relation).rd_index)
            .indcheckxmin
            .then(|| pg_sys::htup::HeapTupleHeaderGetXmin((*(*relation).rd_indextuple).t_data));
        pg_sys::index_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        match problem {
            None => Ok(Target {
                table,
                index,
                too_new_before,
            }),
            Some(problem) => Err(unusable(expected, problem)),
        }
    }
}

/// Whether this transaction's snapshot may read the index. Judged for each transaction, as the planner does for
/// each plan.
pub fn is_old_enough(target: &Target) -> bool {
    // SAFETY: compares with this backend's own horizon.
    target
        .too_new_before
        .is_none_or(|xmin| unsafe { pg_sys::TransactionIdPrecedes(xmin, pg_sys::TransactionXmin) })
}

/// Refuses an index that this transaction may not read.
pub fn require_old_enough(index: Index, target: &Target) -> Result<(), Failure> {
    match is_old_enough(target) {
        true => Ok(()),
        false => Err(Failure::new(
            SqlState::IndexUnusable,
            format!(
                "checks can't be answered: index deed.{} is too new for this transaction's snapshot",
                index.name()
            ),
        )
        .hint(
            "Begin a new transaction, once those are over that were running when the index was made.",
        )),
    }
}

/// # Safety
/// `relation` must be an open index.
unsafe fn inspect(
    relation: &pg_sys::RelationData,
    table: pg_sys::Oid,
    expected: &Expected,
) -> Option<&'static str> {
    // SAFETY: an open index has rd_index and its tuple; the function called takes an index's OID
    // and gives a text.
    unsafe {
        let index = &*relation.rd_index;
        if index.indrelid != table {
            return Some("is an index of another table");
        }
        if !index.indisvalid || !index.indisready || !index.indislive {
            return Some("is not valid");
        }
        let definition = pg_sys::OidFunctionCall1Coll(
            pg_sys::F_PG_GET_INDEXDEF_OID,
            pg_sys::InvalidOid,
            pg_sys::Datum::from(relation.rd_id),
        );
        // The access method, operators and predicate count as much as the columns: a narrower
        // predicate would let a check answer for documents that are not live.
        // Sessions may have every name quoted (quote_all_identifiers).
        let definition = String::from_datum(definition, false).unwrap_or_default();
        let definition = definition.replace('"', "");
        let (begins, ends) = expected.definition;
        match definition.split_once(" USING ") {
            Some((_, shape))
                if shape.starts_with(begins)
                    && shape.ends_with(ends)
                    && shape.contains(" WHERE ") != ends.is_empty()
                    && has_types(relation.rd_id, &expected.shape) =>
            {
                None
            }
            _ => Some("is not defined as expected"),
        }
    }
}

/// Entries are read by these types.
///
/// # Safety
/// `index` is locked.
unsafe fn has_types(index: pg_sys::Oid, shape: &Shape) -> bool {
    enum Type {
        Id,
        Label,
        Instant,
        Flag,
    }
    let key = shape.key.iter().map(|column| match column {
        Column::Id | Column::IdDescending => Type::Id,
        Column::Label => Type::Label,
        Column::InstantDescending => Type::Instant,
    });
    let included = shape.included.iter().map(|column| match column {
        Included::Label => Type::Label,
        Included::Instant => Type::Instant,
        Included::Flag => Type::Flag,
    });
    key.chain(included).zip(1..).all(|(expected, position)| {
        // SAFETY: syscache look-ups.
        unsafe {
            let found = pg_sys::get_atttype(index, position);
            match expected {
                Type::Id => found == pg_sys::UUIDOID,
                Type::Label => pg_sys::type_is_enum(found),
                Type::Instant => found == pg_sys::TIMESTAMPTZOID,
                Type::Flag => found == pg_sys::BOOLOID,
            }
        }
    })
}

fn unusable(expected: &Expected, problem: &str) -> Failure {
    let index = expected.index.to_string_lossy();
    let table = expected.table.to_string_lossy();
    let (begins, ends) = expected.definition;
    Failure::new(
        SqlState::IndexUnusable,
        format!("checks can't be answered: index deed.{index} on deed.{table} {problem}"),
    )
    .hint(format!(
        "If the extension's files are newer than its objects here, ALTER EXTENSION deed UPDATE. \
         Else REINDEX it, or make it anew as USING {begins}{ends}."
    ))
}
