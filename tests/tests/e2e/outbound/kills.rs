//! From the outbox to a reader of Kafka, through kills.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use deed_tests::arrivals::{assert_arrived, told, wait_until_relayed, write_down};
use deed_tests::consumer::positions;
use deed_tests::load;
use deed_tests::process::wait_until;
use deed_tests::stage::{DEADLINE, Line, OUTBOUND, PLACE, own_kafka, own_postgres};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const EVENTS: usize = 12_000;
const DOCUMENTS: usize = 1_000;
const PARTITIONS: i32 = 2;
const KILLS: usize = 10;

#[test]
fn every_event_arrives_in_order_through_kills_and_a_replay_tells_nothing() {
    let began = Instant::now();
    let seed = load::seed();
    let mut rng = StdRng::seed_from_u64(seed);
    let kafka = own_kafka("relay-kafka");
    let postgres = own_postgres("relay-postgres", true);
    let line = Line::new(&kafka, &postgres, "relay", &[("events", PARTITIONS)]);
    let topic = &line.topics[0];
    write_down(&mut line.admin());
    let mut records = load::records(seed, EVENTS, DOCUMENTS);
    for (n, record) in records.iter_mut().enumerate() {
        record.partition = Some(n as i32 % PARTITIONS);
    }
    let watches = "SELECT deed.watch(p.recipient_id, p.document_id, now() + interval '1 hour', 'test')
        FROM (SELECT * FROM deed.permission ORDER BY random() LIMIT 100) AS p ORDER BY p.document_id";
    let sender = kafka.sender().expect("producer");
    let mut consumers = ["a", "b"].map(|name| line.consumer(name));
    for part in records.chunks(EVENTS.div_ceil(KILLS)) {
        let applied = |line: &Line<'_>| -> i64 {
            let positions = positions(&mut line.admin(), &line.name, topic);
            positions.expect("positions").iter().sum()
        };
        let before = applied(&line);
        for record in part {
            sender.send(topic, record).expect("sending");
        }
        wait_until("the part is being applied", DEADLINE, || {
            (applied(&line) > before).then_some(())
        })
        .expect("progress");
        line.admin().execute(watches, &[]).expect("watched");
        thread::sleep(Duration::from_millis(rng.random_range(0..400)));
        let n = rng.random_range(0..2);
        consumers[n].kill();
        consumers[n] = line.consumer(["a", "b"][n]);
    }
    sender.flush().expect("all sent");
    line.wait_until_applied();
    wait_until_relayed(&line);
    let events = told(&mut line.admin());
    let again = assert_arrived(&events, &kafka.read(OUTBOUND).expect("read"));
    let kinds: BTreeSet<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    println!(
        "relay: {EVENTS} events in, {} out of {} types, {again} of them twice; consumers and relays killed {KILLS} times; {:.0?}",
        events.len(),
        kinds.len(),
        began.elapsed()
    );
    assert_eq!(kinds.len(), 10, "{kinds:?}");

    // Another group reads all of it again.
    for mut consumer in consumers {
        consumer.stop(DEADLINE).expect("stops");
    }
    let mut spec = line.consumer_spec("again");
    spec.group = "again".to_owned();
    let mut again = spec.start(&PLACE).expect("consumer");
    line.wait_until_applied_by("again");
    wait_until_relayed(&line);
    again.stop(DEADLINE).expect("stops");
    assert_eq!(
        told(&mut line.admin()).len(),
        events.len(),
        "a replay tells nothing new"
    );
}
