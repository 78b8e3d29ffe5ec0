//! The functions that SQL calls, each under a C symbol that a released version may rely on.
//!
//! Their SQL is in `sql/functions/`. A symbol once released is kept: an old install script
//! names it. What changes its meaning gets a new one, with the version at its end: a session that
//! still runs an older library then fails behind an upgrade, and does not answer by older rules.

mod applying;
mod checks;
mod explanations;
mod freshness;
mod lists;
mod watching;

use pgrx::pg_guard;

use super::{catalog, session};

/// Puts a C symbol around a pgrx wrapper, so that failures keep their SQLSTATE.
macro_rules! symbol {
    ($symbol:ident, $info:ident, $wrapper:ident) => {
        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub extern "C" fn $info() -> &'static pg_sys::Pg_finfo_record {
            &pg_sys::Pg_finfo_record { api_version: 1 }
        }

        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $symbol(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: called by the function manager; this frame has nothing to drop.
            unsafe { boundary($wrapper, fcinfo) }
        }
    };
}

use symbol;

#[allow(missing_docs)]
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    session::define_settings();
    catalog::watch_changes();
}
