//! Which relay is at work: one at a time, and another when it has been silent.

use uuid::Uuid;

use crate::pg::ids::sql_uuid;
use crate::pg::spi::{self, arg};

/// Whether it is this one, now that nobody else decides. It keeps that for some seconds.
///
/// Renewed when half of them have passed, so that a relay with nothing to do hardly writes.
pub fn take(relay: Uuid) -> bool {
    // Of calls of this function no two go on at once. A stopped relay holds no lock: each call is a statement.
    spi::execute("LOCK TABLE deed.relay IN SHARE ROW EXCLUSIVE MODE", &[]);
    let held = spi::write(
        "SELECT r.relay = $1, r.until > pg_catalog.clock_timestamp(), \
           r.until > pg_catalog.clock_timestamp() + '1.5 s'::pg_catalog.interval FROM deed.relay AS r",
        &[arg(sql_uuid(relay))],
        |row| (row.get(1), row.get(2), row.get(3)),
    );
    match held.first() {
        Some((Some(true), _, Some(true))) => return true,
        Some((Some(false), Some(true), _)) => return false,
        _ => {}
    }
    spi::execute(
        "INSERT INTO deed.relay (only_row, relay, until) \
         VALUES (true, $1, pg_catalog.clock_timestamp() + '3 s'::pg_catalog.interval) \
         ON CONFLICT (only_row) DO UPDATE SET relay = excluded.relay, until = excluded.until",
        &[arg(sql_uuid(relay))],
    );
    true
}
