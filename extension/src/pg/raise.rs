//! Raising an error with an SQLSTATE of our own.
//!
//! pgrx knows Postgres' SQLSTATEs only: whatever is raised inside its guard with another one
//! arrives as XX000. So a function leaves its [`Failure`] behind and returns, and the C symbol
//! around it raises the error outside the guard.

use std::cell::Cell;
use std::ffi::{CString, c_char, c_int};

use pgrx::{PgLogLevel, pg_sys};

use crate::failure::Failure;

thread_local! {
    static LEFT_BEHIND: Cell<Option<Failure>> = const { Cell::new(None) };
}

// Not part of pgrx's bindings. They are called outside its guard on purpose (see above).
unsafe extern "C-unwind" {
    fn errstart(level: c_int, domain: *const c_char) -> bool;
    fn errcode(sqlstate: c_int) -> c_int;
    fn errmsg_internal(format: *const c_char, ...) -> c_int;
    fn errdetail_internal(format: *const c_char, ...) -> c_int;
    fn errhint(format: *const c_char, ...) -> c_int;
    fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
}

/// Leaves the failure for [`boundary`] and gives the function something to return.
pub fn or_leave<T>(result: Result<T, Failure>, instead: impl FnOnce() -> T) -> T {
    result.unwrap_or_else(|failure| {
        LEFT_BEHIND.set(Some(failure));
        instead()
    })
}

/// Runs a pgrx wrapper and raises what it left behind.
///
/// # Safety
/// Must be called by Postgres' function manager with a valid `fcinfo`, from a frame without
/// destructors: raising leaves it by `longjmp`.
pub unsafe fn boundary(
    wrapper: unsafe extern "C-unwind" fn(pg_sys::FunctionCallInfo) -> pg_sys::Datum,
    fcinfo: pg_sys::FunctionCallInfo,
) -> pg_sys::Datum {
    // An earlier call may have failed in Postgres between leaving its failure and returning.
    LEFT_BEHIND.take();
    // SAFETY: the caller's.
    let datum = unsafe { wrapper(fcinfo) };
    match LEFT_BEHIND.take() {
        None => datum,
        // SAFETY: the failure is moved into `raise`, which drops it; this frame holds nothing.
        Some(failure) => unsafe { raise(failure) },
    }
}

/// # Safety
/// The calling frames must have no destructors to run.
unsafe fn raise(failure: Failure) -> ! {
    // SAFETY: the order of calls is ereport's own. errmsg and its sisters copy their text into
    // the error's memory context, so that all Rust values are dropped before errfinish jumps.
    unsafe {
        errstart(PgLogLevel::ERROR as c_int, std::ptr::null());
        errcode(sqlstate(failure.state.code()));
        let text = |text: String| CString::new(text.replace('\0', "\\0")).unwrap_or_default();
        let message = text(failure.message);
        errmsg_internal(c"%s".as_ptr(), message.as_ptr());
        drop(message);
        if let Some(detail) = failure.detail.map(text) {
            errdetail_internal(c"%s".as_ptr(), detail.as_ptr());
        }
        if let Some(hint) = failure.hint.map(text) {
            errhint(c"%s".as_ptr(), hint.as_ptr());
        }
        errfinish(c"deed".as_ptr(), 0, c"raise".as_ptr());
    }
    unreachable!("errfinish returns only below ERROR")
}

/// Six bits a character, the first lowest (MAKE_SQLSTATE of Postgres' elog.h).
fn sqlstate(code: &[u8; 5]) -> c_int {
    code.iter().enumerate().fold(0, |packed, (i, character)| {
        packed | (c_int::from(character - b'0') & 0x3F) << (6 * i)
    })
}
