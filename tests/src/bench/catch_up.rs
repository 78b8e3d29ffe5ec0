//! How fast the consumer catches up, and what an event costs inside Postgres.
//!
//! The small world's events, some 120,000, lie on 4 partitions before the consumer starts. Inside
//! Postgres time is what `pg_stat_user_functions` counts for `deed.apply_batch`. The cluster is one
//! of its own, with `fsync` on and little memory.

use std::time::{Duration, Instant};

use super::report::{Report, Row};
use super::session::Fallible;
use super::world::{Size, World};
use crate::consumer::positions;
use crate::event::{Clock, Event, Record};
use crate::process::wait_until;
use crate::stage::{Line, own_kafka, own_postgres};

const PARTITIONS: i32 = 4;
/// A limit, no goal.
const DEADLINE: Duration = Duration::from_secs(1_800);

/// From the first claim to the last position.
pub fn measure(seed: u64, report: &mut Report) -> Fallible<()> {
    report.section("The consumer catches up");
    let kafka = own_kafka("bench-kafka");
    let postgres = own_postgres("bench-postgres", true);
    let line = Line::new(&kafka, &postgres, "bench", &[("events", PARTITIONS)]);
    let mut admin = line.admin();
    admin.batch_execute("ALTER DATABASE bench SET track_functions = 'all'")?;
    // Keyed by subject, as producers do it: partitions share no documents.
    let records = records(seed);
    line.send(&records);
    let ends = kafka.ends(&line.topics[0])?;

    let mut consumer = line.consumer("a");
    line.wait_until_claimed(&line.topics[0]);
    let claimed = Instant::now();
    wait_until("all is applied", DEADLINE, || {
        (positions(&mut admin, &line.name, &line.topics[0])? == ends).then_some(())
    })?;
    let catch_up = claimed.elapsed();
    // The consumer's backends tell of their time when they end.
    consumer.stop(DEADLINE)?;
    let inside = wait_until("Postgres has counted", DEADLINE, || {
        let counted = admin.query_opt(
            "SELECT calls, total_time FROM pg_stat_user_functions WHERE funcname = 'apply_batch'",
            &[],
        );
        counted.ok().flatten()
    })?;
    let (batches, millis): (i64, f64) = (inside.get(0), inside.get(1));
    report.add(Row::alone(
        format!(
            "consumer catches up: {} events on {PARTITIONS} partitions, {batches} batches",
            records.len()
        ),
        "events/s",
        records.len() as f64 / catch_up.as_secs_f64(),
    ));
    report.add(Row::alone(
        "consumer catches up: an event inside Postgres, summed over the connections",
        "us",
        millis * 1e3 / records.len() as f64,
    ));
    Ok(())
}

fn records(seed: u64) -> Vec<Record> {
    let world = World {
        seed,
        size: Size::SMALL,
    };
    let mut clock = Clock::default();
    let principals = world.tell_principals().into_iter();
    let documents = world
        .documents()
        .flat_map(|document| world.tell_document(&mut clock, document));
    principals
        .chain(documents)
        .map(|event: Event| event.structured())
        .collect()
}
