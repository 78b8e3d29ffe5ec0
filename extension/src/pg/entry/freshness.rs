//! Whether an event is applied already.

use std::time::Duration;

use pgrx::datum::Interval;
use pgrx::{pg_extern, pg_sys};

use super::symbol;
use crate::freshness;
use crate::pg::raise::{boundary, or_leave};

symbol!(deed_applied_0_4, pg_finfo_deed_applied_0_4, applied_wrapper);
symbol!(
    deed_wait_for_0_4,
    pg_finfo_deed_wait_for_0_4,
    wait_for_wrapper
);

#[pg_extern(sql = false)]
fn applied(token: &str) -> bool {
    or_leave(freshness::is_applied(token), || false)
}

/// A timeout below zero is none.
#[pg_extern(sql = false)]
fn wait_for(token: &str, timeout: Interval) -> bool {
    let micros = u64::try_from(timeout.as_micros().max(0)).unwrap_or(u64::MAX);
    or_leave(
        freshness::wait(token, Duration::from_micros(micros)),
        || false,
    )
}
