//! Watches: who is to be told when an effective level changes.

use deed_core::Level;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use uuid::Uuid;

use crate::failure::{Failure, SqlState};
use crate::marks::Marks;
use crate::pg::enums::value_of;
use crate::pg::ids::sql_uuid;
use crate::pg::session;
use crate::pg::spi::{self, arg};
use crate::traces::Traces;

/// Of the watcher's name, in bytes: it is a part of a key.
const LONGEST_NAME: usize = 255;

/// Watches the level until then, in microseconds since 2000, and gives the one from which the first change counts.
pub fn begin(
    principal: Uuid,
    document: Uuid,
    until: i64,
    watcher: &str,
) -> Result<Option<Level>, Failure> {
    session::require_read_committed()?;
    if watcher.len() > LONGEST_NAME {
        return Err(Failure::new(
            SqlState::Watch,
            format!(
                "watcher has {} bytes, expected {LONGEST_NAME} at most",
                watcher.len()
            ),
        ));
    }
    if until <= session::statement_start() {
        return Err(Failure::new(
            SqlState::Watch,
            "until has passed already, expected a time to come",
        )
        .hint("Compare the clocks, or give until as pg_catalog.now() + an interval."));
    }
    let pair = || [arg(sql_uuid(document)), arg(sql_uuid(principal))];
    let lease = || {
        let [document, principal] = pair();
        let until = TimestampWithTimeZone::try_from(until).expect("within timestamptz");
        [document, principal, arg(watcher.to_owned()), arg(until)]
    };
    // Without the document's lock: what is watched goes on being watched.
    let prolonged = spi::write(
        "WITH l AS (UPDATE deed.lease AS l SET until = $4 \
           WHERE l.document_id = $1 AND l.principal_id = $2 AND l.watcher = $3 \
             AND l.until > pg_catalog.statement_timestamp() RETURNING l.document_id, l.principal_id) \
         SELECT w.level FROM l JOIN deed.watched AS w USING (document_id, principal_id)",
        &lease(),
        |row| level(row.get(1)),
    );
    if let [level] = prolonged[..] {
        return Ok(level);
    }
    spi::execute(
        "INSERT INTO deed.document (id, purged) VALUES ($1, false) ON CONFLICT (id) DO NOTHING",
        &[arg(sql_uuid(document))],
    );
    spi::execute(
        "SELECT FROM deed.document AS d WHERE d.id = $1 FOR UPDATE",
        &[arg(sql_uuid(document))],
    );
    // Those that have ended go; one that somebody is prolonging is locked, and counts as living.
    spi::execute(
        "DELETE FROM deed.lease AS l WHERE l.ctid = ANY (ARRAY(SELECT o.ctid FROM deed.lease AS o \
           WHERE o.document_id = $1 AND o.principal_id = $2 \
             AND o.until <= pg_catalog.statement_timestamp() FOR UPDATE SKIP LOCKED))",
        &pair(),
    );
    let told = spi::write(
        "SELECT w.level FROM deed.watched AS w \
         WHERE w.document_id = $1 AND w.principal_id = $2 AND EXISTS (SELECT FROM deed.lease AS l \
           WHERE l.document_id = $1 AND l.principal_id = $2)",
        &pair(),
        |row| level(row.get(1)),
    );
    spi::execute(
        "INSERT INTO deed.lease (document_id, principal_id, watcher, until) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (document_id, principal_id, watcher) DO UPDATE SET until = excluded.until",
        &lease(),
    );
    // Somebody else watches it too: the next event tells both of the change from what was told last.
    if let [level] = told[..] {
        return Ok(level);
    }
    let level = spi::write(
        "INSERT INTO deed.watched (document_id, principal_id, level) \
         VALUES ($1, $2, deed.effective_level($2, $1)) \
         ON CONFLICT (document_id, principal_id) DO UPDATE SET level = excluded.level \
         RETURNING level",
        &pair(),
        |row| level(row.get(1)),
    );
    // A change that this snapshot did not see may have been looked at already, when nobody watched.
    let mut marks = Marks::default();
    marks.add_pair(document, principal, None);
    marks.write(&Traces::default());
    Ok(level.first().copied().flatten())
}

fn level(label: Option<pg_sys::Oid>) -> Option<Level> {
    label.and_then(value_of)
}
