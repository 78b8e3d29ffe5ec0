//! SQL from inside a function.
//!
//! pgrx's own client takes a new snapshot for a read as soon as the transaction has written, so a
//! list would see more than the query around it. Here the caller says which one it means.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CString, c_char, c_long};

use pgrx::datum::{DatumWithOid, FromDatum, IntoDatum};
use pgrx::pg_sys;

/// One row of a result, valid while it is read.
pub struct Row {
    tuple: pg_sys::HeapTuple,
    columns: pg_sys::TupleDesc,
}

impl Row {
    /// The value in a column, counted from 1. `T` must own its data and fit the column's type.
    pub fn get<T: FromDatum>(&self, column: i32) -> Option<T> {
        let mut is_null = false;
        // SAFETY: tuple and descriptor belong to the open SPI result; the statements of this crate
        // name their column types, so `T` fits.
        unsafe {
            let datum = pg_sys::SPI_getbinval(self.tuple, self.columns, column, &mut is_null);
            T::from_datum(datum, is_null)
        }
    }
}

/// Runs a statement under the caller's active snapshot; it must not write. It is planned for these
/// arguments: a null there may spare a condition.
pub fn read<T>(sql: &str, arguments: &[DatumWithOid<'_>], row: impl FnMut(&Row) -> T) -> Vec<T> {
    let sql = CString::new(sql).expect("statements hold no zero byte");
    let mut types: Vec<pg_sys::Oid> = arguments.iter().map(DatumWithOid::oid).collect();
    connected(arguments, row, |values, nulls| {
        // SAFETY: within `connected`; the arrays are as long as the count says and outlive the call.
        unsafe {
            pg_sys::SPI_execute_with_args(
                sql.as_ptr(),
                types.len() as i32,
                types.as_mut_ptr(),
                values.as_mut_ptr(),
                nulls.as_ptr(),
                true,
                0 as c_long,
            )
        }
    })
}

/// Like [`read`], by a plan that is kept for the session.
pub fn read_planned<T>(
    sql: &str,
    arguments: &[DatumWithOid<'_>],
    row: impl FnMut(&Row) -> T,
) -> Vec<T> {
    planned(sql, arguments, true, row)
}

/// Runs a statement under a new snapshot that sees this transaction's own writes, by a plan that is
/// kept for the session.
pub fn write<T>(sql: &str, arguments: &[DatumWithOid<'_>], row: impl FnMut(&Row) -> T) -> Vec<T> {
    planned(sql, arguments, false, row)
}

/// Like [`write`], for a statement whose rows nobody reads.
pub fn execute(sql: &str, arguments: &[DatumWithOid<'_>]) {
    write(sql, arguments, |_| ());
}

thread_local! {
    /// As many as there are statements in this crate.
    static PLANS: RefCell<HashMap<String, pg_sys::SPIPlanPtr>> = RefCell::default();
}

/// One plan for all arguments: planning a statement anew would cost more than running it for a few
/// rows. Postgres plans it again when what it reads has changed.
fn planned<T>(
    sql: &str,
    arguments: &[DatumWithOid<'_>],
    read_only: bool,
    row: impl FnMut(&Row) -> T,
) -> Vec<T> {
    let kept = PLANS.with_borrow(|plans| plans.get(sql).copied());
    connected(arguments, row, |values, nulls| {
        let plan = kept.unwrap_or_else(|| keep(sql, arguments));
        // SAFETY: within `connected`; the plan was made for arguments of these types.
        unsafe { pg_sys::SPI_execute_plan(plan, values.as_mut_ptr(), nulls.as_ptr(), read_only, 0) }
    })
}

/// Within `connected`.
fn keep(sql: &str, arguments: &[DatumWithOid<'_>]) -> pg_sys::SPIPlanPtr {
    let text = CString::new(sql).expect("statements hold no zero byte");
    let mut types: Vec<pg_sys::Oid> = arguments.iter().map(DatumWithOid::oid).collect();
    // SAFETY: the text and types outlive the call, which copies them; a kept plan is the session's.
    let plan = unsafe {
        let plan = pg_sys::SPI_prepare_cursor(
            text.as_ptr(),
            types.len() as i32,
            types.as_mut_ptr(),
            pg_sys::CURSOR_OPT_GENERIC_PLAN as i32,
        );
        assert!(!plan.is_null(), "SPI_prepare_cursor");
        assert_eq!(pg_sys::SPI_keepplan(plan), 0, "SPI_keepplan");
        plan
    };
    PLANS.with_borrow_mut(|plans| plans.insert(sql.to_owned(), plan));
    plan
}

/// An argument whose type says its SQL type.
pub fn arg<'a, T: IntoDatum>(value: T) -> DatumWithOid<'a> {
    DatumWithOid::from(value)
}

/// Runs `execute` with the arguments' values and nulls, and reads its rows.
fn connected<T>(
    arguments: &[DatumWithOid<'_>],
    mut row: impl FnMut(&Row) -> T,
    execute: impl FnOnce(&mut [pg_sys::Datum], &[c_char]) -> i32,
) -> Vec<T> {
    let (mut values, nulls): (Vec<pg_sys::Datum>, Vec<c_char>) = arguments
        .iter()
        .map(|argument| match argument.datum() {
            Some(datum) => (datum.sans_lifetime(), b' ' as c_char),
            None => (pg_sys::Datum::null(), b'n' as c_char),
        })
        .unzip();
    // SAFETY: an error leaves by unwinding; Postgres then closes the SPI connection at the end of the
    // (sub)transaction. `SPI_processed` rows are valid until SPI_finish, and `row` copies what it
    // keeps: allocations that it makes in Postgres' memory are gone with SPI_finish, so results are
    // Rust-owned.
    unsafe {
        let connected = pg_sys::SPI_connect();
        assert_eq!(connected, pg_sys::SPI_OK_CONNECT as i32, "SPI_connect");
        let status = execute(&mut values, &nulls);
        assert!(status > 0, "SPI answered {status}");
        let mut rows = Vec::new();
        if let Some(table) = pg_sys::SPI_tuptable.as_ref() {
            let tuples = std::slice::from_raw_parts(table.vals, table.numvals as usize);
            rows.extend(tuples.iter().map(|tuple| {
                row(&Row {
                    tuple: *tuple,
                    columns: table.tupdesc,
                })
            }));
        }
        pg_sys::SPI_finish();
        rows
    }
}
