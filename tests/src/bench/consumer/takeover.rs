//! How long it takes until another consumer goes on where a killed one stopped, under a light load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;

use super::DEADLINE;
use super::story::PARTITIONS;
use crate::bench::report::{Report, Row};
use crate::bench::session::Fallible;
use crate::bench::world::Size;
use crate::consumer::Membership;
use crate::event::{Clock, Record, id};
use crate::kafka::Sender;
use crate::process::{Process, wait_until};
use crate::stage::{Line, PLACE, own_kafka, own_postgres};

const SESSION_TIMEOUT: Duration = Duration::from_secs(6);
const ROUNDS: usize = 7;
/// Between two records of a partition.
const EACH: Duration = Duration::from_millis(20);
/// Seconds that it may take: the session's timeout and one.
const GOAL: f64 = 7.0;

/// Kills the one of two that relays, a few times; in seconds.
pub fn measure(size: Size, report: &mut Report) -> Fallible<()> {
    report.section("Taking over from a consumer that is killed");
    let kafka = own_kafka("bench-takeover-kafka");
    let postgres = own_postgres("bench-takeover-postgres", true);
    let line = Line::new(&kafka, &postgres, "takeover", &[("events", PARTITIONS)]);
    let rounds = if size.is_full() { ROUNDS } else { 1 };
    let ends = AtomicBool::new(false);
    let sender = kafka.prompt_sender()?;
    let (mut applied, mut relayed) = thread::scope(|scope| {
        let producing = scope.spawn(|| produce(&sender, &line.topics[0], &ends));
        let measured = kill_by_turns(&line, rounds);
        ends.store(true, Ordering::Relaxed);
        producing.join().expect("a producer")?;
        measured
    })?;
    for (name, goal, of) in [
        (
            "its partitions' next records are applied",
            Some(1.0),
            &mut applied,
        ),
        (
            "what the outbox held a second later is out",
            None,
            &mut relayed,
        ),
    ] {
        of.sort_by(f64::total_cmp);
        for (word, at) in [("median", of.len() / 2), ("the longest", of.len() - 1)] {
            report.add(Row::against(
                format!("takeover: from kill -9 until {name}, {word} of {rounds}"),
                "s",
                of[at],
                ("session.timeout.ms and 1 s", GOAL),
                goal,
            ));
        }
    }
    Ok(())
}

/// A record for each partition now and then, each of which is told of.
fn produce(sender: &Sender, topic: &str, ends: &AtomicBool) -> Result<(), String> {
    let (anne, mut clock) = (id("anne"), Clock::default());
    let began = Instant::now();
    for n in 0.. {
        if ends.load(Ordering::Relaxed) {
            break;
        }
        for partition in 0..PARTITIONS {
            let event = clock.created(id(&format!("{partition} {n}")), anne, "Plan");
            let record = Record {
                partition: Some(partition),
                ..event.binary()
            };
            sender.send(topic, &record)?;
        }
        thread::sleep((EACH * n).saturating_sub(began.elapsed()));
    }
    sender.flush()
}

fn kill_by_turns(line: &Line<'_>, rounds: usize) -> Fallible<(Vec<f64>, Vec<f64>)> {
    let mut admin = line.admin();
    let start = |n: usize| {
        let mut spec = line.consumer_spec(&n.to_string());
        spec.membership = Membership::Classic {
            session_timeout: SESSION_TIMEOUT,
        };
        spec.start(&PLACE)
    };
    let mut relaying = start(0)?;
    relaying.wait_for_log("it relays", DEADLINE, is_at_work)?;
    let (mut applied, mut relayed) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let mut other = start(round + 1)?;
        wait_until("each has partitions, and goes on", DEADLINE, || {
            let all = partitions(&mut admin)?;
            let both = [&relaying, &other].map(|one| all.iter().filter(|of| of.is_of(one)).count());
            (both == [PARTITIONS as usize / 2; 2]).then_some(())
        })?;
        wait_until("all are applied of late", DEADLINE, || {
            let before = partitions(&mut admin)?;
            thread::sleep(Duration::from_secs(1));
            let now = partitions(&mut admin)?;
            let moved = before
                .iter()
                .zip(&now)
                .all(|(before, now)| before.next < now.next);
            moved.then_some(())
        })?;
        let relay = relay(&mut admin)?;
        let killed = Instant::now();
        relaying.kill();
        let left: Vec<Partition> = partitions(&mut admin)
            .ok_or("no positions")?
            .into_iter()
            .filter(|of| of.is_of(&relaying))
            .collect();
        let (mut applied_after, mut relayed_after, mut waiting) = (None, None, None);
        wait_until("the other has taken over", DEADLINE, || {
            let elapsed = killed.elapsed();
            if waiting.is_none() && elapsed > Duration::from_secs(1) {
                waiting = last_waiting(&mut admin).ok();
            }
            let now = partitions(&mut admin)?;
            let taken = left.iter().all(|left| {
                let now = &now[left.partition as usize];
                now.is_of(&other) && now.next > left.next
            });
            if taken {
                applied_after.get_or_insert(elapsed);
            }
            if let Some(last) = waiting
                && is_relayed(&mut admin, relay, last).ok()?
            {
                relayed_after.get_or_insert(elapsed);
            }
            applied_after.and(relayed_after).map(drop)
        })?;
        applied.extend(applied_after.map(|after: Duration| after.as_secs_f64()));
        relayed.extend(relayed_after.map(|after: Duration| after.as_secs_f64()));
        other.wait_for_log("it relays", DEADLINE, is_at_work)?;
        relaying = other;
    }
    relaying.stop(DEADLINE)?;
    Ok((applied, relayed))
}

fn is_at_work(log: &str) -> Option<()> {
    log.contains("this relay is at work").then_some(())
}

struct Partition {
    partition: i32,
    next: i64,
    owner: String,
}

impl Partition {
    fn is_of(&self, consumer: &Process) -> bool {
        let process = format!("process {}", consumer.identity().pid());
        self.owner.ends_with(&process)
    }
}

fn partitions(admin: &mut Client) -> Option<Vec<Partition>> {
    let rows = admin.query(
        "SELECT partition, coalesce(next_offset, 0), coalesce(owner, '') FROM deed.stream_position ORDER BY partition",
        &[],
    );
    let of = |row: &postgres::Row| Partition {
        partition: row.get(0),
        next: row.get(1),
        owner: row.get(2),
    };
    Some(rows.ok()?.iter().map(of).collect())
}

fn relay(admin: &mut Client) -> Fallible<uuid::Uuid> {
    Ok(admin.query_one("SELECT relay FROM deed.relay", &[])?.get(0))
}

fn last_waiting(admin: &mut Client) -> Fallible<i64> {
    let row = admin.query_one("SELECT coalesce(max(seq), 0) FROM deed.outbox", &[])?;
    Ok(row.get(0))
}

fn is_relayed(admin: &mut Client, before: uuid::Uuid, last: i64) -> Fallible<bool> {
    let row = admin.query_one(
        "SELECT (SELECT relay FROM deed.relay) <> $1 AND NOT EXISTS (SELECT FROM deed.outbox WHERE seq <= $2)",
        &[&before, &last],
    )?;
    Ok(row.get(0))
}
