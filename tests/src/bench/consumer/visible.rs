//! How soon a record is visible under a steady load, and what the consumer needs for that.
//!
//! The producer gathers records for 5 ms, the default of librdkafka: 2,000 requests a second would be the broker's load, not ours.
//! Visible is what a second connection sees of the positions: a position and what was applied before it commit together.

use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;

use super::story::{PARTITIONS, Told, story};
use super::usage::{memory, seconds};
use super::{DEADLINE, MEMORY};
use crate::bench::report::{Report, Row};
use crate::bench::session::Fallible;
use crate::bench::world::Size;
use crate::event::Record;
use crate::kafka::Sender;
use crate::stage::{Line, own_kafka, own_postgres};

/// Events a second, and for how long.
const RATE: u32 = 2_000;
const LOAD: Duration = Duration::from_secs(30);
const SHORT_LOAD: Duration = Duration::from_secs(3);
/// Not counted: plans are made, connections opened, the broker warms up.
const WARM_UP: Duration = Duration::from_secs(5);
/// Between two looks at the positions.
const LOOK: Duration = Duration::from_millis(1);
/// Milliseconds that 99 of 100 records may take.
const GOAL: f64 = 50.0;

/// In milliseconds, the producer's wait and the time between two looks included.
pub fn measure(seed: u64, size: Size, report: &mut Report) -> Fallible<()> {
    report.section("From produce to visible");
    let kafka = own_kafka("bench-visible-kafka");
    let postgres = own_postgres("bench-visible-postgres", true);
    let line = Line::new(&kafka, &postgres, "visible", &[("events", PARTITIONS)]);
    let load = match size.is_full() {
        true => LOAD,
        false => SHORT_LOAD,
    };
    let events = RATE * (WARM_UP + load).as_secs() as u32;
    // More than five events a document.
    let mut told = story(seed, events / 5);
    told.truncate(events as usize);
    let records: Vec<Record> = told.iter().map(Told::record).collect();
    let mut admin = line.admin();
    let mut consumer = line.consumer("a");
    line.wait_until_claimed(&line.topics[0]);
    let sender = kafka.sender()?;
    let groups = [
        ("the broker", kafka.process().identity()),
        ("the consumer", consumer.identity()),
        (
            "Postgres, the looks included",
            postgres.process().identity(),
        ),
    ];
    let before = groups.map(|(_, process)| seconds(process));
    let began = Instant::now();
    let (produced, seen) = thread::scope(|scope| {
        let producing = scope.spawn(|| produce(&sender, &line.topics[0], &records));
        let seen = look(&mut admin, &told);
        (producing.join().expect("a producer"), seen)
    });
    let (produced, seen) = (produced?, seen?);
    let elapsed = began.elapsed().as_secs_f64();
    let mut waits: Vec<f64> = told
        .iter()
        .zip(&produced)
        .skip((RATE * WARM_UP.as_secs() as u32) as usize)
        .map(|(told, produced)| {
            let seen = seen[told.partition as usize][told.offset as usize];
            seen.duration_since(*produced).as_secs_f64() * 1e3
        })
        .collect();
    waits.sort_by(f64::total_cmp);
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    let name = format!("visible, {RATE} events/s for {} s", load.as_secs());
    let what = |share: &str| format!("{name}: from produce to visible, {share}");
    report.add(Row::alone(what("median"), "ms", at(0.5)));
    let goal = ("the goal", GOAL);
    report.add(Row::against(what("p99"), "ms", at(0.99), goal, Some(1.0)));
    report.add(Row::alone(what("the last"), "ms", at(1.0)));
    for ((group, process), before) in groups.into_iter().zip(before) {
        report.add(Row::alone(
            format!("{name}: processor time of {group}"),
            "% of one",
            (seconds(process) - before) / elapsed * 100.0,
        ));
    }
    let used = memory(consumer.identity())?;
    report.add(Row::against(
        format!("{name}: memory of the consumer"),
        "MiB",
        used.resident,
        ("the goal", MEMORY),
        Some(1.0),
    ));
    report.add(Row::alone(
        format!("{name}: the most that it was"),
        "MiB",
        used.peak,
    ));
    consumer.stop(DEADLINE)?;
    Ok(())
}

/// Sends each record when it is due; gives when that was.
fn produce(sender: &Sender, topic: &str, records: &[Record]) -> Result<Vec<Instant>, String> {
    let began = Instant::now();
    let mut produced = Vec::with_capacity(records.len());
    for (n, record) in (0..).zip(records) {
        let due = Duration::from_secs(1) * n / RATE;
        thread::sleep(due.saturating_sub(began.elapsed()));
        produced.push(Instant::now());
        sender.send(topic, record)?;
    }
    sender.flush()?;
    Ok(produced)
}

/// When each record was first seen to be applied, by partition and offset.
fn look(admin: &mut Client, told: &[Told]) -> Fallible<Vec<Vec<Instant>>> {
    let query = admin.prepare(
        "SELECT partition, coalesce(next_offset, 0) FROM deed.stream_position WHERE consumer_group = 'visible'",
    )?;
    let began = Instant::now();
    let mut seen: Vec<Vec<Instant>> = (0..PARTITIONS).map(|_| Vec::new()).collect();
    while seen.iter().map(Vec::len).sum::<usize>() < told.len() {
        if began.elapsed() > DEADLINE {
            return Err("not all is applied".into());
        }
        for row in admin.query(&query, &[])? {
            let (partition, next): (i32, i64) = (row.get(0), row.get(1));
            seen[partition as usize].resize(next as usize, Instant::now());
        }
        thread::sleep(LOOK);
    }
    Ok(seen)
}
