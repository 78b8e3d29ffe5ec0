//! Logs with offsets that are no records: transactions, aborted ones, and what compaction took.

use deed_tests::consumer::positions;
use deed_tests::event::{Clock, Event, id};
use deed_tests::kafka::Transactional;
use deed_tests::process::wait_until;
use deed_tests::stage::{DEADLINE, Line, PLACE};
use rdkafka::producer::{BaseRecord, Producer};

use super::json;

fn send(producer: &Transactional, topic: &str, event: &Event) {
    let key = event.subject.to_string();
    let record = event.structured();
    let value = record.value.expect("a value");
    let headers = deed_tests::event::headers(&event.structured());
    producer
        .send(
            BaseRecord::to(topic)
                .key(&key)
                .payload(&value)
                .headers(headers),
        )
        .map_err(|(error, _)| error)
        .expect("sent");
}

#[test]
fn the_position_moves_past_markers_and_aborted_records() {
    let line = Line::shared("gaps", 1);
    let topic = &line.topics[0];
    let mut clock = Clock::default();
    let anne = id("gaps anne");
    let mut created = |name: &str| clock.created(id(name), anne, name);
    let producer = line.kafka.transactional("gaps").expect("producer");
    for n in 0..10 {
        send(&producer, topic, &created(&format!("committed {n}")));
    }
    producer.commit_transaction(DEADLINE).expect("committed");
    producer.begin_transaction().expect("begun");
    for n in 0..10 {
        send(&producer, topic, &created(&format!("aborted {n}")));
    }
    producer.flush(DEADLINE).expect("in the log");
    producer.abort_transaction(DEADLINE).expect("aborted");
    // 20 records and two markers.
    assert_eq!(line.kafka.ends(topic), Ok(vec![22]));

    let _consumer = line.consumer("a");
    line.wait_until_applied();
    let mut client = line.admin();
    let titles =
        "SELECT count(*), count(*) FILTER (WHERE title LIKE 'committed%') FROM deed.document";
    let row = client.query_one(titles, &[]).expect(titles);
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (10, 10));
    let status = json(&line.consumer_spec("operator"), &["status", "--json"]);
    assert_eq!(status["partitions"][0]["lag"], 0, "{status}");

    // Only aborted records, from the log's beginning: nothing to apply, and nothing left.
    let empty = Line::shared("gaps_only", 1);
    let producer = empty.kafka.transactional("gaps only").expect("producer");
    send(&producer, &empty.topics[0], &created("never"));
    producer.flush(DEADLINE).expect("in the log");
    producer.abort_transaction(DEADLINE).expect("aborted");
    let _other = empty.consumer("a");
    empty.wait_until_applied();
    let mut client = empty.admin();
    assert_eq!(
        positions(&mut client, &empty.name, &empty.topics[0]),
        Some(vec![2])
    );
}

/// The partition's task is told of offsets that are none only once it has all records before them.
#[test]
fn nothing_is_passed_over_that_was_not_applied() {
    let line = Line::shared("gaps_busy", 1);
    let topic = &line.topics[0];
    let mut clock = Clock::default();
    let anne = id("gaps busy anne");
    let mut consumer = line.consumer("a");
    let producer = line.kafka.transactional("gaps busy").expect("producer");
    let mut sent = 0;
    for round in 0..20 {
        for n in 0..25 {
            let name = format!("busy {round} {n}");
            send(&producer, topic, &clock.created(id(&name), anne, &name));
            sent += 1;
        }
        producer.commit_transaction(DEADLINE).expect("committed");
        if round % 5 == 4 {
            consumer.kill();
            consumer = line.consumer("a");
        }
        producer.begin_transaction().expect("begun");
    }
    producer.abort_transaction(DEADLINE).expect("aborted");
    line.wait_until_applied();
    let count = "SELECT count(*) FROM deed.document";
    let count: i64 = line.admin().query_one(count, &[]).expect(count).get(0);
    assert_eq!(count, sent);
}

#[test]
fn what_compaction_took_is_passed_over() {
    let line = Line::shared("compacted", 1);
    let topic = "compacted.log";
    let policy = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0.001"),
        ("max.compaction.lag.ms", "200"),
        ("delete.retention.ms", "0"),
    ];
    line.kafka
        .create_topic_with(topic, 1, &policy)
        .expect("topic");
    let mut clock = Clock::default();
    let [anne, document] = ["compacted anne", "compacted document"].map(id);
    let mut of_one_key = |n: usize| clock.created(document, anne, &format!("{n}")).structured();
    let mut sent = 0;
    wait_until("the log is compacted", DEADLINE, || {
        // A record that comes later closes the segment before it.
        sent += 1;
        line.kafka.send(topic, &[of_one_key(sent)]).ok()?;
        (line.kafka.read(topic).ok()?.len() + 20 < sent).then_some(())
    })
    .expect("compacted");
    let mut spec = line.consumer_spec("a");
    spec.topics = vec![topic.to_owned()];
    let _consumer = spec.start(&PLACE).expect("consumer");
    let mut client = line.admin();
    wait_until("all is applied", DEADLINE, || {
        let ends = line.kafka.ends(topic).ok()?;
        (positions(&mut client, &line.name, topic)? == ends).then_some(())
    })
    .expect("applied");
    let title = "SELECT title FROM deed.document";
    let title: String = client.query_one(title, &[]).expect(title).get(0);
    assert_eq!(title, sent.to_string());
}
