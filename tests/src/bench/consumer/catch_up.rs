//! How fast the consumer catches up, and on what the processors' time goes.
//!
//! A mixed story lies on 4 partitions before the consumer starts; broker, consumer with its relay, and Postgres share the machine.
//! The same consumer then applies the same records by the floor. They take turns, each on databases of its own, and of each the
//! best turn counts. The cluster has `fsync` on.

use std::time::Instant;

use postgres::Client;

use super::floor;
use super::story::{PARTITIONS, Told, story};
use super::usage::{Memory, memory, seconds};
use super::{DEADLINE, MEMORY};
use crate::bench::report::{Report, Row};
use crate::bench::session::Fallible;
use crate::bench::world::Size;
use crate::consumer::positions;
use crate::event::Record;
use crate::process::{Identity, wait_until};
use crate::stage::{Line, own_kafka, own_postgres};

const ROUNDS: usize = 3;
/// Documents in the story.
const DOCUMENTS: u32 = 45_000;
const FLOOR: &str = "bench_floor";
/// What an event may take, from 30,000 events a second, in microseconds.
const GOAL: f64 = 1e6 / 30_000.0;
/// The product may take so many times as long as the floor.
const RATIO: f64 = 2.0;
const GROUPS: [&str; 3] = ["the broker", "the consumer", "Postgres"];

/// One turn, in seconds.
struct Turn {
    applied: f64,
    emptied: f64,
    /// The processors' time of each of [`GROUPS`] until all is applied.
    until_applied: [f64; 3],
    /// The same until the outbox is empty.
    until_emptied: [f64; 3],
    memory: Memory,
    told: i64,
    digests: Vec<String>,
}

/// From the first claim to the last position, and to the last event that is out.
pub fn measure(seed: u64, size: Size, report: &mut Report) -> Fallible<()> {
    report.section("The consumer catches up");
    let kafka = own_kafka("bench-kafka");
    let postgres = own_postgres("bench-postgres", true);
    let line = Line::new(&kafka, &postgres, "bench", &[("events", PARTITIONS)]);
    let (rounds, documents) = match size.is_full() {
        true => (ROUNDS, DOCUMENTS),
        false => (1, DOCUMENTS / 10),
    };
    let story = story(seed, documents);
    line.send(&story.iter().map(Told::record).collect::<Vec<Record>>());
    floor::create(&postgres, FLOOR, &story)?;
    let mut turns: [Vec<Turn>; 2] = Default::default();
    for round in 0..rounds {
        turns[0].push(turn(&line.replayed_into(&format!("product_{round}")))?);
        let name = format!("floor_{round}");
        let mut admin = postgres.admin("postgres")?;
        admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {FLOOR}"))?;
        let floor = Line {
            kafka: &kafka,
            postgres: &postgres,
            name,
            topics: line.topics.clone(),
        };
        turns[1].push(turn(&floor)?);
        let [product, floor] = [&turns[0][round].digests, &turns[1][round].digests];
        if product != floor {
            return Err(format!(
                "wrong answer: the product leaves {product:?}, the floor {floor:?}"
            )
            .into());
        }
    }
    let [product, floor] = turns.map(|turns| {
        let best = turns
            .into_iter()
            .min_by(|a, b| a.applied.total_cmp(&b.applied));
        best.expect("a turn")
    });
    tell(story.len() as f64, &product, &floor, report);
    Ok(())
}

fn turn(line: &Line<'_>) -> Fallible<Turn> {
    let topic = &line.topics[0];
    let mut admin = line.admin();
    admin.batch_execute("CHECKPOINT")?;
    let ends = line.kafka.ends(topic)?;
    let mut consumer = line.consumer("a");
    let groups = [
        line.kafka.process().identity(),
        consumer.identity(),
        line.postgres.process().identity(),
    ];
    line.wait_until_claimed(topic);
    let (began, before) = (Instant::now(), groups.map(seconds));
    let used = |groups: [Identity; 3]| {
        let mut now = groups.map(seconds);
        now.iter_mut()
            .zip(before)
            .for_each(|(now, before)| *now -= before);
        now
    };
    wait_until("all is applied", DEADLINE, || {
        (positions(&mut admin, &line.name, topic)? == ends).then_some(())
    })?;
    let (applied, until_applied) = (began.elapsed().as_secs_f64(), used(groups));
    wait_until("the outbox is empty", DEADLINE, || is_empty(&mut admin))?;
    let (emptied, until_emptied) = (began.elapsed().as_secs_f64(), used(groups));
    let memory = memory(consumer.identity())?;
    consumer.stop(DEADLINE)?;
    let told = admin
        .query_one("SELECT last_value FROM deed.outbox_seq_seq", &[])?
        .get(0);
    Ok(Turn {
        applied,
        emptied,
        until_applied,
        until_emptied,
        memory,
        told,
        digests: floor::digests(&mut admin)?,
    })
}

fn is_empty(admin: &mut Client) -> Option<()> {
    let query =
        "SELECT NOT EXISTS (SELECT FROM deed.outbox) AND NOT EXISTS (SELECT FROM deed.mark)";
    let row = admin.query_one(query, &[]).ok()?;
    row.get::<_, bool>(0).then_some(())
}

fn tell(events: f64, product: &Turn, floor: &Turn, report: &mut Report) {
    let each = |seconds: f64| seconds * 1e6 / events;
    let floor_name = "typed unnest upserts of the same rows but deed.closure, by the same consumer";
    for (until, value, floor) in [
        ("all is applied", product.applied, floor.applied),
        ("the outbox is empty too", product.emptied, floor.emptied),
    ] {
        report.add(Row::alone(
            format!("catch-up: {events} events on {PARTITIONS} partitions until {until}"),
            "events/s",
            events / value,
        ));
        report.add(Row::against(
            format!("catch-up: an event, until {until}"),
            "us",
            each(value),
            (floor_name, each(floor)),
            Some(RATIO),
        ));
    }
    report.add(Row::against(
        "catch-up: an event, until all is applied",
        "us",
        each(product.applied),
        ("30,000 events/s", GOAL),
        Some(1.0),
    ));
    for (until, product, floor) in [
        ("all is applied", product.until_applied, floor.until_applied),
        (
            "the outbox is empty",
            product.until_emptied,
            floor.until_emptied,
        ),
    ] {
        for (group, (product, floor)) in GROUPS.iter().zip(product.into_iter().zip(floor)) {
            report.add(Row::against(
                format!("catch-up: processor time of {group}, an event, until {until}"),
                "us",
                each(product),
                ("the same by the floor", each(floor)),
                None,
            ));
        }
    }
    report.add(Row::against(
        "catch-up: events out for each event in",
        "",
        product.told as f64 / events,
        ("the same by the floor", floor.told as f64 / events),
        None,
    ));
    report.add(Row::against(
        "catch-up: memory of the consumer at its end",
        "MiB",
        product.memory.resident,
        ("the goal under a steady load", MEMORY),
        None,
    ));
    report.add(Row::alone(
        "catch-up: the most that it was",
        "MiB",
        product.memory.peak,
    ));
}
