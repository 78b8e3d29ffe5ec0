//! A first figure: how fast the consumer catches up, and what an event costs inside Postgres.
//!
//! 100,000 events on 4 partitions are there before the consumer starts. Inside Postgres time is what
//! `pg_stat_user_functions` counts for `deed.apply_batch`. The cluster has `fsync` on.

use std::time::{Duration, Instant};

use deed_tests::consumer::positions;
use deed_tests::load;
use deed_tests::process::wait_until;
use deed_tests::stage::{Line, own_kafka, own_postgres};

const EVENTS: usize = 100_000;
const DOCUMENTS: usize = 20_000;
const PARTITIONS: i32 = 4;
const DEADLINE: Duration = Duration::from_secs(300);

fn main() {
    let kafka = own_kafka("bench-kafka");
    let postgres = own_postgres("bench-postgres", true);
    let line = Line::new(&kafka, &postgres, "bench", &[("events", PARTITIONS)]);
    let mut admin = line.admin();
    admin
        .batch_execute("ALTER DATABASE bench SET track_functions = 'all'")
        .expect("counting the time of functions");
    // Keyed by subject, as producers do it: partitions share no documents.
    let records = load::records(load::seed(), EVENTS, DOCUMENTS);
    println!("sending {EVENTS} events about {DOCUMENTS} documents");
    line.send(&records);
    let ends = kafka.ends(&line.topics[0]).expect("ends");

    let mut consumer = line.consumer("a");
    line.wait_until_claimed(&line.topics[0]);
    let claimed = Instant::now();
    wait_until("all is applied", DEADLINE, || {
        (positions(&mut admin, &line.name, &line.topics[0])? == ends).then_some(())
    })
    .expect("all is applied");
    let catch_up = claimed.elapsed();
    // The consumer's backends tell of their time when they end.
    consumer.stop(DEADLINE).expect("stops");
    let inside = wait_until("Postgres has counted", DEADLINE, || {
        let counted = admin.query_opt(
            "SELECT calls, total_time FROM pg_stat_user_functions WHERE funcname = 'apply_batch'",
            &[],
        );
        counted.ok().flatten()
    })
    .expect("counted");
    let (batches, millis): (i64, f64) = (inside.get(0), inside.get(1));
    println!(
        "catch-up: {EVENTS} events on {PARTITIONS} partitions in {catch_up:.2?} from the first claim: \
         {:.0} events/s; {batches} batches",
        EVENTS as f64 / catch_up.as_secs_f64()
    );
    println!(
        "inside Postgres: {:.1} us an event, summed over the partitions' connections",
        millis * 1_000.0 / EVENTS as f64
    );
}
