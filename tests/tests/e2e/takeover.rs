//! One consumer takes over from another, dead or only seemingly so.

use std::time::Duration;

use deed_tests::audit;
use deed_tests::consumer::Membership;
use deed_tests::event::{Clock, Record, id};
use deed_tests::load;
use deed_tests::process::{Process, Signal, wait_until};
use deed_tests::snapshot::Snapshot;
use deed_tests::stage::{DEADLINE, Line, PLACE, SESSION_TIMEOUT};
use postgres::Client;

const PARTITIONS: i32 = 4;

fn epochs(client: &mut Client) -> Vec<i64> {
    client
        .query(
            "SELECT epoch FROM deed.stream_position ORDER BY partition",
            &[],
        )
        .expect("epochs")
        .iter()
        .map(|row| row.get(0))
        .collect()
}

fn taken_over(name: &str, membership: Membership) {
    let line = Line::shared(name, PARTITIONS);
    let start = |consumer| {
        let mut spec = line.consumer_spec(consumer);
        spec.membership = membership;
        spec.start(&PLACE).expect("consumer")
    };
    let mut client = line.admin();
    audit::begin(&mut client);
    let mut first = start("first");
    line.wait_until_claimed(&line.topics[0]);
    let alone = epochs(&mut client);
    let _second = start("second");
    wait_until("the second has partitions of its own", DEADLINE, || {
        (epochs(&mut client) != alone).then_some(())
    })
    .expect("shared out");
    let anne = id(&format!("{name} anne"));
    let mut clock = Clock::default();
    let mut records = |count: u32| -> Vec<Record> {
        let mut one = |n| {
            let event = clock.created(id(&format!("{name} {n}")), anne, "Taken over");
            Record {
                partition: Some(n as i32 % PARTITIONS),
                ..event.binary()
            }
        };
        (0..count).map(&mut one).collect()
    };
    line.send(&records(400));
    line.wait_until_applied();
    first.kill();
    line.send(&records(400));
    line.wait_until_applied();
    let ends = line.kafka.ends(&line.topics[0]).expect("ends");
    assert_eq!(
        audit::missing_and_doubled(&mut client, &ends),
        (0, 0),
        "missing and doubled"
    );
    assert_eq!(audit::late_moves(&mut client), 0);
}

#[test]
fn a_second_consumer_takes_over_the_partitions_of_a_killed_one() {
    let session_timeout = SESSION_TIMEOUT;
    taken_over("takeover", Membership::Classic { session_timeout });
}

#[test]
fn it_does_so_in_the_newer_group_protocol_too() {
    taken_over("takeover_newer", Membership::Newer);
}

/// Starts a consumer, and stops it by SIGSTOP with batches in its hands: held at the lock of its
/// position they are on the way when it stops, and the server forgets them, so that it must try
/// them again when it goes on.
fn stopped_with_batches_in_hand(line: &Line<'_>, session_timeout: Duration) -> Process {
    let mut spec = line.consumer_spec("zombie");
    spec.membership = Membership::Classic { session_timeout };
    let zombie = spec.start(&PLACE).expect("consumer");
    line.wait_until_claimed(&line.topics[0]);
    let mut lock = line.admin();
    let mut held = lock.transaction().expect("transaction");
    held.execute("SELECT FROM deed.stream_position FOR UPDATE", &[])
        .expect("lock");
    line.send(&load::records(load::seed(), 4_000, 200));
    let mut client = line.admin();
    wait_until("a batch of each partition waits", DEADLINE, || {
        let waiting: i64 = client
            .query_one(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                   AND usename = 'deed_ingest' AND wait_event_type = 'Lock'",
                &[],
            )
            .ok()?
            .get(0);
        (waiting == i64::from(PARTITIONS)).then_some(())
    })
    .expect("waiting");
    zombie.signal(Signal::STOP);
    client
        .execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
             WHERE datname = current_database() AND usename = 'deed_ingest'",
            &[],
        )
        .expect("terminated");
    held.rollback().expect("unlocked");
    zombie
}

#[test]
fn a_zombie_whose_group_went_on_writes_nothing() {
    let line = Line::shared("zombie", PARTITIONS);
    let mut client = line.admin();
    audit::begin(&mut client);
    let mut zombie = stopped_with_batches_in_hand(&line, SESSION_TIMEOUT);
    let before = epochs(&mut client);
    let _heir = line.consumer("heir");
    wait_until("the heir has claimed all", DEADLINE, || {
        let now = epochs(&mut client);
        let mut both = before.iter().zip(&now);
        both.all(|(before, now)| now > before).then_some(())
    })
    .expect("claimed");
    line.wait_until_applied();
    let applied = Snapshot::take(&mut client);

    zombie.signal(Signal::CONT);
    zombie
        .wait_for_log("it finds that it was replaced", DEADLINE, |log| {
            // By Postgres, or by Kafka before it could ask.
            let told = |line: &str| line.contains("PD010") || line.contains("lost=true");
            log.lines().any(told).then_some(())
        })
        .expect("replaced");
    assert_eq!(audit::late_moves(&mut client), 0);
    Snapshot::take(&mut client).assert_equals(&applied, "after the zombie came back");

    // Both go on as a group.
    line.send(&load::records(load::seed(), 2_000, 200));
    line.wait_until_applied();
    assert_eq!(audit::late_moves(&mut client), 0);
    assert!(zombie.lives());
}

/// Kafka has not noticed anything here: only the epoch in Postgres keeps the zombie's batches out.
#[test]
fn a_zombie_that_kafka_still_trusts_is_fenced_by_postgres() {
    let line = Line::shared("fenced", PARTITIONS);
    let mut client = line.admin();
    audit::begin(&mut client);
    let mut zombie = stopped_with_batches_in_hand(&line, Duration::from_secs(60));
    client
        .execute(
            "SELECT deed.claim(consumer_group, topic, partition, topic_id) FROM deed.stream_position",
            &[],
        )
        .expect("claimed");
    let claimed = epochs(&mut client);
    zombie.signal(Signal::CONT);
    zombie
        .wait_for_log("Postgres refuses each of its batches", DEADLINE, |log| {
            let refused = log.lines().filter(|line| line.contains("PD010")).count();
            (refused >= PARTITIONS as usize).then_some(())
        })
        .expect("fenced");
    // Kafka still gives it the partitions, so it claims them anew and goes on, from the position.
    line.wait_until_applied();
    let moved_by_a_fenced_owner: i64 = client
        .query_one(
            "SELECT count(*) FROM public.moves WHERE epoch <= $1",
            &[claimed.iter().max().expect("partitions")],
        )
        .expect("audit")
        .get(0);
    assert_eq!(moved_by_a_fenced_owner, 0);
    let ends = line.kafka.ends(&line.topics[0]).expect("ends");
    assert_eq!(audit::missing_and_doubled(&mut client, &ends), (0, 0));
}
