//! Whether what was produced is applied already: reading one's own write.

use std::time::{Duration, Instant};

use deed_core::position::{Place, places};
use pgrx::datum::DatumWithOid;

use crate::failure::{Failure, SqlState};
use crate::pg::session;
use crate::pg::spi::{self, arg};

/// Between two looks, growing: a batch is mostly applied within milliseconds, and who waits long shall
/// not cost much.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// A consumer group's row is found by topic and partition; one that has passed all is enough.
const SQL: &str = "SELECT NOT EXISTS ( \
       SELECT FROM unnest($1, $2, $3) AS asked (topic, partition, record_offset) \
       WHERE NOT EXISTS ( \
         SELECT FROM deed.stream_position AS p \
         WHERE p.topic = asked.topic AND p.partition = asked.partition \
           AND p.next_offset > asked.record_offset))";

/// Whether consumers have passed every place that the token names, by the calling statement's snapshot.
pub fn is_applied(token: &str) -> Result<bool, Failure> {
    let arguments = arguments(token)?;
    Ok(spi::read_planned(SQL, &arguments, |row| row.get(1)).first() == Some(&Some(true)))
}

/// Waits until they have, at most so long; false when they have not by then. Each look has a new snapshot.
pub fn wait(token: &str, longest: Duration) -> Result<bool, Failure> {
    session::require_read_committed()?;
    let arguments = arguments(token)?;
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        if spi::write(SQL, &arguments, |row| row.get(1)).first() == Some(&Some(true)) {
            return Ok(true);
        }
        let left = longest.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(false);
        }
        session::pause(pause.min(left));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn arguments<'a>(token: &str) -> Result<[DatumWithOid<'a>; 3], Failure> {
    let places = places(token)
        .map_err(|malformed| Failure::new(SqlState::Position, format!("position: {malformed}")))?;
    let column = |of: fn(&Place) -> String| places.iter().map(of).collect::<Vec<_>>();
    Ok([
        arg(column(|place| place.topic.clone())),
        arg(places
            .iter()
            .map(|place| place.partition)
            .collect::<Vec<_>>()),
        arg(places.iter().map(|place| place.offset).collect::<Vec<_>>()),
    ])
}
