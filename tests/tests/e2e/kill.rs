//! The load through kills: nothing is missing, nothing counts twice.

use std::thread;
use std::time::{Duration, Instant};

use deed_tests::audit;
use deed_tests::consumer::positions;
use deed_tests::load;
use deed_tests::process::wait_until;
use deed_tests::snapshot::Snapshot;
use deed_tests::stage::{DEADLINE, Line, own_kafka, own_postgres};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

const EVENTS: usize = 50_000;
const DOCUMENTS: usize = 4_000;
const PARTITIONS: i32 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Consumer,
    Postgres,
    Kafka,
}

#[test]
fn kills_of_every_part_leave_what_an_undisturbed_run_leaves() {
    let began = Instant::now();
    let seed = load::seed();
    let mut rng = StdRng::seed_from_u64(seed);
    let kafka = own_kafka("kill-kafka");
    let postgres = own_postgres("kill-postgres", true);
    let line = Line::new(&kafka, &postgres, "kill", &[("events", PARTITIONS)]);
    let topic = &line.topics[0];
    audit::begin(&mut line.admin());
    let mut records = load::records(seed, EVENTS, DOCUMENTS);
    for (n, record) in records.iter_mut().enumerate() {
        record.partition = Some(n as i32 % PARTITIONS);
    }

    let mut victims = [
        vec![Victim::Consumer; 20],
        vec![Victim::Postgres; 5],
        vec![Victim::Kafka; 1],
    ]
    .concat();
    victims.shuffle(&mut rng);
    let sender = kafka.sender().expect("producer");
    let mut consumer = line.consumer("a");
    // A part of the load before each kill, which falls at some moment while that part is applied.
    for (part, victim) in records.chunks(EVENTS.div_ceil(victims.len())).zip(&victims) {
        let before = applied(&line);
        for record in part {
            sender.send(topic, record).expect("sending");
        }
        wait_until("the part is being applied", DEADLINE, || {
            (applied(&line) > before).then_some(())
        })
        .expect("progress");
        thread::sleep(Duration::from_millis(rng.random_range(0..60)));
        match victim {
            Victim::Consumer => {
                consumer.kill();
                consumer = line.consumer("a");
            }
            Victim::Postgres => {
                postgres.kill();
                postgres.start_again().expect("started again");
            }
            Victim::Kafka => {
                kafka.kill();
                kafka.start_again().expect("started again");
            }
        }
    }
    sender.flush().expect("all sent");
    line.wait_until_applied();
    assert!(consumer.lives());
    consumer.stop(DEADLINE).expect("stops");
    let disturbed = Snapshot::take(&mut line.admin());
    let (missing, doubled) =
        audit::missing_and_doubled(&mut line.admin(), &kafka.ends(topic).expect("ends"));

    let calm = line.replayed_into("calm");
    let start = Instant::now();
    let _calm_consumer = calm.consumer("a");
    calm.wait_until_applied();
    let calm_time = start.elapsed();
    let undisturbed = Snapshot::take(&mut calm.admin());

    let kills = |of| victims.iter().filter(|victim| **victim == of).count();
    println!(
        "kill test: {EVENTS} events on {PARTITIONS} partitions; killed: consumer {}, Postgres {}, Kafka {}; \
         missing {missing}, doubled {doubled}; {} documents, {} permissions, {} quarantined; {:.0?} in all, \
         {calm_time:.1?} for the undisturbed run, start of the consumer included",
        kills(Victim::Consumer),
        kills(Victim::Postgres),
        kills(Victim::Kafka),
        undisturbed.count("document"),
        undisturbed.count("permission"),
        undisturbed.count("quarantine"),
        began.elapsed()
    );
    assert_eq!((missing, doubled), (0, 0));
    disturbed.assert_equals(&undisturbed, "killed and undisturbed");
}

fn applied(line: &Line<'_>) -> i64 {
    let mut client = line.admin();
    let positions = positions(&mut client, &line.name, &line.topics[0]).expect("positions");
    positions.iter().sum()
}
