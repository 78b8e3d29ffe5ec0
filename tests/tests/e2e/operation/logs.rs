//! Topics that come later, grow, or are cut.

use deed_tests::consumer::positions;
use deed_tests::event::{Clock, Record, id};
use deed_tests::process::wait_until;
use deed_tests::stage::{DEADLINE, Line, PLACE};

use serde_json::json;

use super::{json, metric, wait_for_answer};

fn documents(clock: &mut Clock, name: &str, partition: i32, count: usize) -> Vec<Record> {
    let anne = id("logs anne");
    let one = |n| {
        let name = format!("{name} {n}");
        let mut record = clock.created(id(&name), anne, &name).structured();
        record.partition = Some(partition);
        record
    };
    (0..count).map(one).collect()
}

#[test]
fn a_topic_that_is_made_later_and_partitions_that_are_added_are_read() {
    let line = Line::shared("later", 1);
    let topic = "later.more";
    let mut spec = line.consumer_spec("a");
    spec.topics.push(topic.to_owned());
    let mut consumer = spec.start(&PLACE).expect("consumer");
    let mut clock = Clock::default();
    line.send(&documents(&mut clock, "first", 0, 10));
    line.wait_until_applied();
    consumer
        .wait_for_log("it says that the topic is missing", DEADLINE, |log| {
            log.contains("topic does not exist").then_some(())
        })
        .expect("said");
    let said = "[!] topic later.more: does not exist";
    wait_for_answer(&mut consumer, "/readyz?verbose", 200, said);
    let missing = "deed_topic_missing{topic=\"later.more\"}";
    assert_eq!(metric(&mut consumer, missing), Some(1.0));
    let status = json(&spec, &["status", "--json"]);
    assert_eq!(status["missing_topics"], json!([topic]));
    line.kafka.create_topic(topic, 1).expect("made");
    line.kafka
        .send(topic, &documents(&mut clock, "second", 0, 10))
        .expect("sent");
    let mut client = line.admin();
    let mut wait = |expected: &[i64]| {
        wait_until("all is applied", DEADLINE, || {
            (positions(&mut client, &line.name, topic)? == expected).then_some(())
        })
        .expect("applied");
    };
    wait(&[10]);
    line.kafka.add_partitions(topic, 3).expect("added");
    line.kafka
        .send(topic, &documents(&mut clock, "third", 2, 10))
        .expect("sent");
    wait(&[10, 0, 10]);
    assert_eq!(metric(&mut consumer, missing), Some(0.0));
    assert!(consumer.lives());
}

#[test]
fn an_offset_outside_the_log_stops_its_partition_at_either_end() {
    let line = Line::shared("outside", 3);
    let topic = &line.topics[0];
    let mut clock = Clock::default();
    for partition in 0..3 {
        line.send(&documents(
            &mut clock,
            &format!("kept {partition}"),
            partition,
            20,
        ));
    }
    let mut consumer = line.consumer("a");
    line.wait_until_applied();
    consumer.stop(DEADLINE).expect("stops");

    // One is cut before it is read on, one is said to have been read further than it goes, as behind a restore of Postgres
    // or a loss of Kafka's data; the third is as it was.
    for partition in 0..3 {
        line.send(&documents(
            &mut clock,
            &format!("new {partition}"),
            partition,
            20,
        ));
    }
    line.kafka.cut(topic, 0, 30).expect("cut");
    let mut client = line.admin();
    let beyond = "UPDATE deed.stream_position SET next_offset = 1000 WHERE partition = 1";
    client.execute(beyond, &[]).expect(beyond);
    let mut consumer = line.consumer("b");
    let said = |of: &str| format!("partition {topic}{of}");
    let ready = wait_for_answer(&mut consumer, "/readyz?verbose", 200, "has 30 to 40");
    assert!(
        ready.contains(&said("[0]: stopped: offset 20 is outside")),
        "{ready}"
    );
    let ready = wait_for_answer(&mut consumer, "/readyz?verbose", 200, "has 0 to 40");
    assert!(
        ready.contains(&said("[1]: stopped: offset 1000 is outside")),
        "{ready}"
    );
    wait_until("the third goes on", DEADLINE, || {
        (positions(&mut client, &line.name, topic)? == [20, 1000, 40]).then_some(())
    })
    .expect("goes on");

    let spec = line.consumer_spec("operator");
    for partition in ["0", "1"] {
        let arguments = [
            "reset",
            "--topic",
            topic,
            "--partition",
            partition,
            "--json",
        ];
        let reset = json(&spec, &arguments);
        assert_eq!(reset["next_offset"], serde_json::Value::Null);
    }
    line.wait_until_applied();
    let count = "SELECT count(*) FROM deed.document";
    let count: i64 = client.query_one(count, &[]).expect(count).get(0);
    assert_eq!(count, 110, "all but the ten that were cut");
}
