use std::fs;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use deed_tests::event::{Clock, Record, id};
use deed_tests::process::wait_until;
use deed_tests::stage::{DEADLINE, Line, PLACE};
use rand::RngCore;
use serde_json::json;

const PARTITIONS: i32 = 64;
/// 100 kB each, so that all of them are several times the bound.
const RECORDS: usize = 64;
const BYTES: usize = 75_000;
/// Of the whole process, with everything full.
const BOUND_KIB: u64 = 128 * 1024;
/// Without a new peak for this long, nothing more is fetched.
const STEADY: Duration = Duration::from_secs(4);

/// The most memory that the process ever had, in KiB.
fn peak(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.expect("a peak").trim().trim_end_matches(" kB");
    number.parse().expect("a number")
}

/// Each partition has one event of 100 kB, again and again.
fn fill(line: &Line<'_>) {
    let mut clock = Clock::default();
    let mut bytes = vec![0; BYTES];
    for partition in 0..PARTITIONS {
        rand::rng().fill_bytes(&mut bytes);
        let document = id(&format!("memory {partition}"));
        let mut event = clock.created(document, id("memory anne"), "Large");
        event.data["content"] = json!(BASE64.encode(&bytes));
        let record = Record {
            partition: Some(partition),
            ..event.binary()
        };
        line.send(std::iter::repeat_n(&record, RECORDS));
    }
}

#[test]
fn memory_is_bounded_while_postgres_takes_nothing() {
    let line = Line::shared("memory", PARTITIONS);
    fill(&line);
    let spec = line.consumer_spec("a");
    let consumer = spec.start(&PLACE).expect("consumer");
    let pid = consumer.identity().pid();
    // Claiming needs the table, applying too.
    let mut lock = line.admin();
    wait_until("it has claimed all", DEADLINE, || {
        let claimed = lock.query_one("SELECT count(*) FROM deed.stream_position", &[]);
        (claimed.ok()?.get::<_, i64>(0) == i64::from(PARTITIONS)).then_some(())
    })
    .expect("claimed");
    let mut held = lock.transaction().expect("transaction");
    held.batch_execute("LOCK TABLE deed.stream_position")
        .expect("locked");
    let mut highest = (peak(pid), Instant::now());
    wait_until("all that it fetches ahead is fetched", DEADLINE, || {
        let now = peak(pid);
        if now > highest.0 {
            highest = (now, Instant::now());
        }
        (highest.1.elapsed() > STEADY).then_some(())
    })
    .expect("steady");
    let full = highest.0;
    held.rollback().expect("unlocked");
    line.wait_until_applied();
    let peak = peak(pid);
    println!("{full} KiB with everything full, {peak} KiB at most");
    line.kafka.delete_topic(&line.topics[0]).expect("deleted");
    assert!(peak < BOUND_KIB, "{peak} KiB");
}
