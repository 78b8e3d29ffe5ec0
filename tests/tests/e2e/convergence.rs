//! Any order, any duplication, any batching of the same events gives the same tables.

use deed_tests::load;
use deed_tests::snapshot::Snapshot;
use deed_tests::stage::{Line, shared_kafka, shared_postgres};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

const EVENTS: usize = 6_000;
const DOCUMENTS: usize = 300;

#[test]
fn a_new_group_reads_the_same_topics_into_the_same_tables() {
    let topics = [("documents", 3), ("permissions", 2)];
    let line = Line::new(shared_kafka(), shared_postgres(), "replay", &topics);
    let _consumer = line.consumer("a");
    let records = load::records(load::seed(), EVENTS, DOCUMENTS);
    let (documents, permissions) = records.split_at(EVENTS / 2);
    for (topic, records) in line.topics.iter().zip([documents, permissions]) {
        line.kafka.send(topic, records).expect("sending");
    }
    line.wait_until_applied();
    let first = Snapshot::take(&mut line.admin());
    assert!(first.count("document") > DOCUMENTS / 2, "the load arrived");
    assert!(first.count("quarantine") > 0, "its poison too");

    let elsewhere = line.replayed_into("replay_elsewhere");
    let _replayer = elsewhere.consumer("a");
    elsewhere.wait_until_applied();
    Snapshot::take(&mut elsewhere.admin()).assert_equals(&first, "into an empty database");

    // A group that has no positions yet applies everything once more to the same database.
    let mut again = line.consumer_spec("again");
    again.group = "replay_again".to_owned();
    let _again = again.start(&deed_tests::stage::PLACE).expect("consumer");
    line.wait_until_applied_by(&again.group);
    let mut client = line.admin();
    Snapshot::take(&mut client).assert_equals(&first, "over what was there");
    let twice: i64 = client
        .query_one(
            "SELECT count(*) - count(DISTINCT (topic_id, partition, record_offset)) FROM deed.quarantine",
            &[],
        )
        .expect("quarantine")
        .get(0);
    assert_eq!(
        twice, 0,
        "a record is quarantined once however often it is read"
    );
}

#[test]
fn every_record_twice_and_shuffled_across_partitions_gives_the_same_tables() {
    let seed = load::seed();
    let mut records = load::records(seed, EVENTS, DOCUMENTS);
    let plain = Line::shared("plain", 1);
    let _consumer = plain.consumer("a");
    plain.send(&records);
    plain.wait_until_applied();

    let mut rng = StdRng::seed_from_u64(seed);
    records.extend(records.clone());
    records.shuffle(&mut rng);
    let partitions = 4;
    for (n, record) in records.iter_mut().enumerate() {
        record.partition = Some(n as i32 % partitions);
    }
    let shuffled = Line::shared("shuffled", partitions);
    // Two at once, so that partitions race for the same documents.
    let _consumers = [shuffled.consumer("a"), shuffled.consumer("b")];
    shuffled.send(&records);
    shuffled.wait_until_applied();
    Snapshot::take(&mut shuffled.admin())
        .assert_equals(&Snapshot::take(&mut plain.admin()), "twice and shuffled");
}
