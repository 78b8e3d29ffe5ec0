//! What the session and the database say of themselves.

use std::ffi::{c_int, c_long};
use std::time::Duration;

use deed_core::version::Instant;
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, pg_sys};

use crate::failure::{Failure, SqlState};

/// Seconds; five minutes by default.
static MAX_CLOCK_SKEW: GucSetting<i32> = GucSetting::<i32>::new(300);

// In pgrx's bindings behind a guard, which costs more than the call; it raises nothing.
unsafe extern "C-unwind" {
    fn GetCurrentStatementStartTimestamp() -> pg_sys::TimestampTz;
}

/// Defines the settings of the extension.
pub fn define_settings() {
    GucRegistry::define_int_guc(
        c"deed.max_clock_skew",
        c"How far ahead of the database clock an event's time may be.",
        c"An event further ahead is quarantined, for one bad clock would freeze a register.",
        &MAX_CLOCK_SKEW,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
}

/// The latest time that an event may carry now.
pub fn latest_event_time() -> Instant {
    // SAFETY: reads the system clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    Instant::from_postgres_micros(now.saturating_add(i64::from(MAX_CLOCK_SKEW.get()) * 1_000_000))
}

/// When the client's statement started, in microseconds since 2000: what expiry is compared with.
pub fn statement_start() -> i64 {
    // SAFETY: reads a variable of the backend; parallel workers have their leader's value.
    unsafe { GetCurrentStatementStartTimestamp() }
}

/// Whether reads must register with serializable transactions' conflict detection.
pub fn is_serializable() -> bool {
    isolation_level() == pg_sys::XACT_SERIALIZABLE as c_int
}

/// Refuses to go on above READ COMMITTED, where `FOR UPDATE` on a row that another session only
/// locked succeeds and the read behind it misses what that session committed.
pub fn require_read_committed() -> Result<(), Failure> {
    match isolation_level() <= pg_sys::XACT_READ_COMMITTED as c_int {
        true => Ok(()),
        false => Err(Failure::new(
            SqlState::IsolationLevel,
            "this can't be done above READ COMMITTED, where a lock is no proof of what was read",
        )
        .hint("Begin the transaction with ISOLATION LEVEL READ COMMITTED.")),
    }
}

/// Sleeps; an interrupt, such as a statement's timeout, ends it by an error.
pub fn pause(longest: Duration) {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // At least one: a rest below a millisecond would be waited for without a pause.
    let millis = longest.as_millis().clamp(1, 60_000) as c_long;
    // SAFETY: MyLatch is the backend's own and is set up long before any function runs; whoever sets it
    // does so for an interrupt, which is looked at behind the reset.
    unsafe {
        pg_sys::WaitLatch(
            pg_sys::MyLatch,
            events as c_int,
            millis,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    pgrx::check_for_interrupts!();
}

fn isolation_level() -> c_int {
    // SAFETY: a plain variable that only this backend writes.
    unsafe { pg_sys::XactIsoLevel }
}
