//! Events out: what they add to applying, with and without watches; how fast the relay is, and how large its
//! outbox grows under a load that lasts.

use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use uuid::Uuid;

use super::apply::{COPY, copy, drop_copy, later};
use super::report::{Report, Row};
use super::session::Fallible;
use super::world::{Document, Principal, Size, World};
use crate::event::{Clock, Event, Record, id};
use crate::owner::Owner;
use crate::postgres::Postgres;
use crate::process::wait_until;
use crate::stage::{Line, PLACE, own_kafka, own_postgres};

const BATCH: usize = 1_000;
const ROUNDS: usize = 7;
const WATCHES: [usize; 3] = [0, 1_000, 100_000];
/// Waiting for the relay.
const BACKLOG: usize = 200_000;
/// Events a second in the load that lasts, and for how long.
const RATE: usize = 2_000;
const LOAD: Duration = Duration::from_secs(600);
const SHORT_LOAD: Duration = Duration::from_secs(10);
/// A limit, no goal.
const DEADLINE: Duration = Duration::from_secs(1_800);

/// A batch that changes something, against the same one again, by how many watch its documents.
pub fn measure(postgres: &Postgres, world: &World, report: &mut Report) -> Fallible<()> {
    report.section("Events out: applying");
    copy(postgres)?;
    let mut admin = postgres.admin(COPY)?;
    let mut owner = Owner::claim_for(postgres.admin(COPY)?, "bench", "bench", 0)?;
    let numbers = (0..world.size.documents).filter(|n| world.has_five_recipients(*n));
    let documents: Vec<Uuid> = numbers
        .map(|n| world.document(Document::Plain(n)))
        .collect();
    let mut sets = documents.chunks_exact(BATCH).cycle();
    let mut clock = Clock::default();
    let mut told = 0;
    for watches in WATCHES {
        let mut best = [f64::INFINITY; 2];
        for _ in 0..ROUNDS {
            let set = sets.next().ok_or("too small a world")?;
            watch(&mut admin, set, watches)?;
            let grants = set.iter().map(|document| {
                told += 1;
                let guest = world.principal(Principal::Stranger(1 << 33 | told));
                let by = world.principal(Principal::All);
                later(clock.granted(*document, guest, "editor", by), told)
            });
            let mut events: Vec<Event> = grants.collect();
            events.sort_by_key(|event| event.subject);
            let records: Vec<Record> = events.iter().map(Event::structured).collect();
            // As in the section about applying: the pages are read and written once before.
            let mut before = Owner::claim_for(postgres.admin(COPY)?, "bench before", "bench", 0)?;
            before.client().batch_execute("BEGIN")?;
            before.apply(&records)?;
            before.client().batch_execute("ROLLBACK")?;
            for best in &mut best {
                let began = Instant::now();
                owner.apply(&records)?;
                *best = best.min(began.elapsed().as_secs_f64());
            }
        }
        let [changing, again] = best.map(|seconds| seconds * 1e6 / BATCH as f64);
        report.add(Row::against(
            format!(
                "apply 1,000 grants that change something, {watches} watches on their documents"
            ),
            "us",
            changing,
            ("the same batch again, as duplicates", again),
            None,
        ));
    }
    drop(owner);
    drop(admin);
    drop_copy(postgres)
}

/// Has so many levels on these documents watched, and no others.
fn watch(admin: &mut Client, documents: &[Uuid], watches: usize) -> Fallible<()> {
    admin.batch_execute("TRUNCATE deed.watched, deed.lease, deed.outbox, deed.mark")?;
    let each = (watches / documents.len()) as i32;
    for table in [
        "deed.watched (document_id, principal_id) SELECT d, p",
        "deed.lease SELECT d, p, '', 'infinity'",
    ] {
        admin.execute(
            &format!(
                "INSERT INTO {table} FROM unnest($1::uuid[]) AS d CROSS JOIN LATERAL
                   (SELECT md5(d::text || n)::uuid AS p FROM generate_series(1, $2::integer) AS n) AS p"
            ),
            &[&documents, &each],
        )?;
    }
    admin.batch_execute("ANALYZE deed.watched, deed.lease; CHECKPOINT")?;
    Ok(())
}

/// The relay on a backlog, and under a load that lasts.
pub fn relay(size: Size, report: &mut Report) -> Fallible<()> {
    report.section("Events out: the relay");
    let kafka = own_kafka("bench-relay-kafka");
    let postgres = own_postgres("bench-relay-postgres", true);
    let line = Line::new(&kafka, &postgres, "relay", &[("events", 4)]);
    let mut admin = line.admin();
    let grants = |from: usize, count: usize| -> Vec<Record> {
        let mut clock = Clock::default();
        let grant = |n: usize| {
            let document = id(&format!("document {}", n % 20_000));
            let event = clock.granted(document, id(&format!("guest {n}")), "viewer", id("anne"));
            event.binary()
        };
        (from..from + count).map(grant).collect()
    };
    let backlog = match size.is_full() {
        true => BACKLOG,
        false => BACKLOG / 100,
    };
    let mut ingest = line.consumer_spec("ingest");
    ingest.command = "ingest";
    let mut ingest = ingest.start(&PLACE)?;
    line.send(&grants(0, backlog));
    line.wait_until_applied();
    ingest.stop(DEADLINE)?;
    let mut relay = line.consumer_spec("relay");
    relay.command = "relay";
    let began = Instant::now();
    let mut relay = relay.start(&PLACE)?;
    wait_until("the outbox is empty", DEADLINE, || {
        (waiting(&mut admin).ok()?.0 == 0).then_some(())
    })?;
    report.add(Row::alone(
        format!("relay: a backlog of {backlog} events, from its start to the last one taken out"),
        "events/s",
        backlog as f64 / began.elapsed().as_secs_f64(),
    ));
    relay.stop(DEADLINE)?;

    // What the backlog took stays the table's.
    admin.batch_execute("TRUNCATE deed.outbox")?;
    let load = match size.is_full() {
        true => LOAD,
        false => SHORT_LOAD,
    };
    let mut consumer = line.consumer("all");
    let sender = kafka.sender()?;
    let began = Instant::now();
    let (mut sent, mut most, mut largest) = (0, 0, 0);
    while began.elapsed() < load {
        // A fifth of a second's worth at a time.
        for record in grants(backlog + sent, RATE / 5) {
            sender.send(&line.topics[0], &record)?;
        }
        sent += RATE / 5;
        let (rows, bytes) = waiting(&mut admin)?;
        most = most.max(rows);
        largest = largest.max(bytes);
        let due = Duration::from_millis(200) * (sent / (RATE / 5)) as u32;
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
    let elapsed = began.elapsed();
    sender.flush()?;
    line.wait_until_applied();
    wait_until("the outbox is empty", DEADLINE, || {
        (waiting(&mut admin).ok()?.0 == 0).then_some(())
    })?;
    consumer.stop(DEADLINE)?;
    let seconds = load.as_secs();
    report.add(Row::alone(
        format!("relay: a load of {seconds} s, what came and went out"),
        "events/s",
        sent as f64 / elapsed.as_secs_f64(),
    ));
    report.add(Row::alone(
        format!("relay: a load of {seconds} s, most events in the outbox"),
        "events",
        most as f64,
    ));
    report.add(Row::alone(
        format!("relay: a load of {seconds} s, the outbox at its largest, with its index"),
        "MB",
        largest as f64 / 1e6,
    ));
    Ok(())
}

/// Rows of the outbox that wait, and how large it is.
fn waiting(client: &mut Client) -> Fallible<(i64, i64)> {
    let row = client.query_one(
        "SELECT (SELECT count(*) FROM deed.outbox), pg_total_relation_size('deed.outbox')",
        &[],
    )?;
    Ok((row.get(0), row.get(1)))
}
