//! One consumer takes over from another, dead or only seemingly so.

use deed_tests::event::{Clock, Record, id};
use deed_tests::load;
use deed_tests::process::{Signal, wait_until};
use deed_tests::snapshot::Snapshot;
use deed_tests::stage::{DEADLINE, Line};
use postgres::Client;

const PARTITIONS: i32 = 4;

/// Writes down, in the database, each move of a position and the owner that made it.
pub fn audit_positions(client: &mut Client) {
    client
        .batch_execute(
            "CREATE TABLE public.moves (n bigint GENERATED ALWAYS AS IDENTITY, partition integer,
               epoch bigint, from_offset bigint, to_offset bigint);
             CREATE FUNCTION public.write_down() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
             BEGIN
               INSERT INTO public.moves (partition, epoch, from_offset, to_offset)
               VALUES (NEW.partition, NEW.epoch, coalesce(OLD.next_offset, 0), NEW.next_offset);
               RETURN NULL;
             END $$;
             CREATE TRIGGER write_down AFTER UPDATE ON deed.stream_position FOR EACH ROW
               WHEN (OLD.next_offset IS DISTINCT FROM NEW.next_offset)
               EXECUTE FUNCTION public.write_down()",
        )
        .expect("audit");
}

/// How many moves an owner made after a later owner had begun to.
fn late_moves(client: &mut Client) -> i64 {
    client
        .query_one(
            "SELECT count(*) FROM public.moves AS late
             WHERE EXISTS (SELECT FROM public.moves AS earlier
               WHERE earlier.partition = late.partition AND earlier.n < late.n AND earlier.epoch > late.epoch)",
            &[],
        )
        .expect("audit")
        .get(0)
}

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

#[test]
fn a_second_consumer_takes_over_the_partitions_of_a_killed_one() {
    let line = Line::shared("takeover", PARTITIONS);
    let mut first = line.consumer("first");
    line.wait_until_claimed(&line.topics[0]);
    let mut client = line.admin();
    let alone = epochs(&mut client);
    let _second = line.consumer("second");
    wait_until("the second has partitions of its own", DEADLINE, || {
        (epochs(&mut client) != alone).then_some(())
    })
    .expect("shared out");
    let anne = id("takeover anne");
    let mut clock = Clock::default();
    let mut records = |count: u32| -> Vec<Record> {
        let mut one = |n| {
            let event = clock.created(id(&format!("takeover {n}")), anne, "Taken over");
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
}

#[test]
fn a_zombie_is_fenced_and_writes_nothing() {
    let line = Line::shared("zombie", PARTITIONS);
    let mut client = line.admin();
    audit_positions(&mut client);
    let mut zombie = line.consumer("zombie");
    line.wait_until_claimed(&line.topics[0]);
    let before = epochs(&mut client);

    // Held at its position's lock, its batches are on the way when it stops; the server forgets
    // them, so it comes back with batches in its hands that it must try again.
    let mut lock = line.admin();
    let mut held = lock.transaction().expect("transaction");
    held.execute("SELECT FROM deed.stream_position FOR UPDATE", &[])
        .expect("lock");
    let records = load::records(load::seed(), 4_000, 200);
    line.send(&records);
    wait_until("its batches wait", DEADLINE, || {
        let waiting: i64 = client
            .query_one(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                   AND usename = 'deed_ingest' AND wait_event_type = 'Lock'",
                &[],
            )
            .ok()?
            .get(0);
        (waiting > 0).then_some(())
    })
    .expect("waiting");
    zombie.signal(Signal::STOP);
    client
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND usename = 'deed_ingest'",
            &[],
        )
        .expect("terminated");
    held.rollback().expect("unlocked");

    let _heir = line.consumer("heir");
    wait_until("the heir has claimed all", DEADLINE, || {
        let now = epochs(&mut client);
        before
            .iter()
            .zip(&now)
            .all(|(before, now)| now > before)
            .then_some(())
    })
    .expect("claimed");
    line.wait_until_applied();
    let applied = Snapshot::take(&mut client);
    zombie.signal(Signal::CONT);
    zombie
        .wait_for_log("it finds that it was replaced", DEADLINE, |log| {
            // Told by Postgres with PD010, or by Kafka before it could ask.
            let told = |line: &str| line.contains("another owner") || line.contains("lost");
            log.lines().any(told).then_some(())
        })
        .expect("fenced");
    assert_eq!(late_moves(&mut client), 0, "the zombie moved a position");
    Snapshot::take(&mut client).assert_equals(&applied, "after the zombie came back");

    // Both go on as a group.
    line.send(&load::records(load::seed(), 2_000, 200));
    line.wait_until_applied();
    assert_eq!(late_moves(&mut client), 0);
    assert!(zombie.lives());
}
