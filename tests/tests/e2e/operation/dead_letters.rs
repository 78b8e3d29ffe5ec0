//! Dead letters: quarantined records in a topic of their own.

use std::collections::BTreeMap;

use deed_tests::event::{Clock, Record, id, structured};
use deed_tests::process::wait_until;
use deed_tests::stage::{DEADLINE, Line, PLACE};
use rdkafka::Message;
use rdkafka::message::{Headers, OwnedMessage};

fn headers(record: &OwnedMessage) -> Vec<(String, Option<Vec<u8>>)> {
    let headers = record.headers().into_iter().flat_map(|of| of.iter());
    headers
        .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
        .collect()
}

fn settings(topic: &str, more: &str) -> String {
    format!(
        "errors.deadletterqueue.topic.name = \"{topic}\"\n\
         errors.deadletterqueue.topic.replication.factor = 1\n{more}"
    )
}

#[test]
fn each_record_that_cannot_be_read_goes_to_the_topic_as_it_was_through_kills() {
    let line = Line::shared("dead_letters", 2);
    let dead = "dead_letters.dead";
    let mut spec = line.consumer_spec("a");
    spec.settings = settings(
        dead,
        "errors.deadletterqueue.context.headers.enable = true\n",
    );
    let mut clock = Clock::default();
    let anne = id("dead anne");
    let poison = |n: usize| Record {
        key: (!n.is_multiple_of(3)).then(|| vec![0xff, n as u8]),
        headers: vec![
            ("trace".to_owned(), Some(vec![0xfe])),
            ("empty".to_owned(), None),
            ("trace".to_owned(), Some(b"again".to_vec())),
        ],
        value: (!n.is_multiple_of(4)).then(|| format!("poison {n}").into_bytes()),
        partition: Some((n % 2) as i32),
    };
    let poisons: Vec<Record> = (0..60).map(poison).collect();
    let mut consumer = spec.start(&PLACE).expect("consumer");
    for part in poisons.chunks(20) {
        let title = format!("dead {}", part.len());
        let good = clock
            .created(id("dead document"), anne, &title)
            .structured();
        line.send(part.iter().chain([&good]));
        line.wait_until_applied();
        consumer.kill();
        consumer = spec.start(&PLACE).expect("consumer");
    }
    let mut client = line.admin();
    wait_until("all went out", DEADLINE, || {
        let left = "SELECT count(*) FROM deed.dead_letter";
        let left: i64 = client.query_one(left, &[]).ok()?.get(0);
        (left == 0).then_some(())
    })
    .expect("out");

    // Through kills one may come twice, equal to the byte.
    let read = line.kafka.read(dead).expect("read");
    let mut letters: BTreeMap<(String, String), OwnedMessage> = BTreeMap::new();
    for letter in read {
        let all = headers(&letter);
        let context = |name: &str| {
            let found = all.iter().find(|(given, _)| given == name);
            let value = found.and_then(|(_, value)| value.clone());
            String::from_utf8(value.unwrap_or_else(|| panic!("{name}"))).expect("UTF-8")
        };
        assert_eq!(context("__connect.errors.topic"), line.topics[0]);
        assert_eq!(context("__connect.errors.connector.name"), line.name);
        let why = context("__connect.errors.exception.message");
        assert!(
            why.starts_with("value") || why.starts_with("content-type"),
            "{why}"
        );
        let place = (
            context("__connect.errors.partition"),
            context("__connect.errors.offset"),
        );
        if let Some(first) = letters.insert(place, letter.clone()) {
            assert_eq!(first.payload(), letter.payload());
            assert_eq!(headers(&first), all);
        }
    }
    assert_eq!(letters.len(), poisons.len());
    let mut sent: Vec<_> = poisons
        .iter()
        .map(|poison| (poison.key.clone(), poison.value.clone()))
        .collect();
    let mut arrived: Vec<_> = letters
        .values()
        .map(|letter| {
            let of_record = headers(letter)
                .into_iter()
                .filter(|(name, _)| !name.starts_with("__connect.errors."));
            assert_eq!(of_record.collect::<Vec<_>>(), poisons[0].headers);
            (
                letter.key().map(<[u8]>::to_vec),
                letter.payload().map(<[u8]>::to_vec),
            )
        })
        .collect();
    sent.sort();
    arrived.sort();
    assert_eq!(arrived, sent);
    let kept = "SELECT count(*) FROM deed.quarantine";
    let kept: i64 = client.query_one(kept, &[]).expect(kept).get(0);
    assert_eq!(kept, 60, "they are in quarantine as well");
}

#[test]
fn a_topic_that_cannot_be_made_holds_up_no_events() {
    let line = Line::shared("dead_end", 1);
    let dead = "dead_end.dead";
    let mut spec = line.consumer_spec("a");
    // More copies than there are brokers.
    spec.settings = format!("errors.deadletterqueue.topic.name = \"{dead}\"\n");
    let mut consumer = spec.start(&PLACE).expect("consumer");
    let mut clock = Clock::default();
    let created = clock.created(id("dead end document"), id("dead end anne"), "End");
    line.send(&[structured("poison", "{"), created.structured()]);
    consumer
        .wait_for_log("it says that dead letters wait", DEADLINE, |log| {
            log.contains("dead letters wait").then_some(())
        })
        .expect("said");
    let mut client = line.admin();
    let waiting = |client: &mut postgres::Client| {
        let counts = "SELECT outbox_events, dead_letters FROM deed.backlog()";
        let row = client.query_one(counts, &[]).expect(counts);
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    wait_until("the creator's grant is told", DEADLINE, || {
        (waiting(&mut client) == (0, 1)).then_some(())
    })
    .expect("told");

    line.kafka.create_topic(dead, 1).expect("made by hand");
    wait_until("the dead letter goes out", DEADLINE, || {
        (waiting(&mut client) == (0, 0)).then_some(())
    })
    .expect("out");
    let letters = line.kafka.read(dead).expect("read");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].payload(), Some(&b"{"[..]));
    assert_eq!(headers(&letters[0]).len(), 1, "no context was asked for");
}

#[test]
fn those_for_a_topic_that_is_missing_hold_up_no_others() {
    let line = Line::shared("dead_others", 1);
    let mut client = line.admin();
    let mut waiting = |letters: i64| {
        wait_until("what can go out has gone", DEADLINE, || {
            let counts = "SELECT count(*) FROM deed.dead_letter";
            (client.query_one(counts, &[]).ok()?.get::<_, i64>(0) == letters).then_some(())
        })
        .expect("gone");
    };
    let mut spec = line.consumer_spec("a");
    let to = |topic: &str| format!("errors.deadletterqueue.topic.name = \"dead_others.{topic}\"\n");
    // Misspelt, and it would have more copies than there are brokers.
    spec.settings = to("daed");
    let mut consumer = spec.start(&PLACE).expect("consumer");
    let poison = |n: usize| structured("poison", format!("{{ {n}"));
    line.send(&(0..30).map(poison).collect::<Vec<_>>());
    line.wait_until_applied();
    waiting(30);
    consumer.stop(DEADLINE).expect("stopped");

    line.kafka
        .create_topic("dead_others.dead", 1)
        .expect("made");
    spec.settings = to("dead");
    let _consumer = spec.start(&PLACE).expect("consumer");
    line.send(&(30..60).map(poison).collect::<Vec<_>>());
    line.wait_until_applied();
    waiting(30);
    assert_eq!(line.kafka.read("dead_others.dead").expect("read").len(), 30);
}

#[test]
fn one_that_kafka_refuses_holds_up_no_events_and_no_others() {
    let line = Line::shared("dead_refused", 1);
    let dead = "dead_refused.dead";
    let small = [("max.message.bytes", "1000")];
    line.kafka
        .create_topic_with(dead, 1, &small)
        .expect("a topic for small records");
    let mut spec = line.consumer_spec("a");
    spec.settings = settings(dead, "");
    let mut consumer = spec.start(&PLACE).expect("consumer");
    let mut clock = Clock::default();
    let mut created = |name: &str| clock.created(id(name), id("dead refused anne"), name);
    // No compression makes this smaller.
    let garbage: Vec<u8> = (0..5_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    line.send(&[
        structured("poison", garbage),
        structured("poison", "{"),
        created("dead refused before").structured(),
    ]);
    consumer
        .wait_for_log("it says that Kafka refuses it", DEADLINE, |log| {
            log.contains("Kafka does not take it").then_some(())
        })
        .expect("said");
    line.send(&[created("dead refused behind").structured()]);
    let mut client = line.admin();
    let mut wait_for = |events: i64, letters: i64| {
        wait_until("what can go out has gone", DEADLINE, || {
            let counts = "SELECT outbox_events, dead_letters FROM deed.backlog()";
            let row = client.query_one(counts, &[]).ok()?;
            let told = "SELECT count(*) FROM deed.permission";
            let told: i64 = client.query_one(told, &[]).ok()?.get(0);
            let now = (row.get::<_, i64>(0), row.get::<_, i64>(1));
            (told == 2 && now == (events, letters)).then_some(())
        })
        .expect("gone");
    };
    wait_for(0, 1);
    assert!(consumer.lives());
    let letters = line.kafka.read(dead).expect("read");
    assert_eq!(letters.len(), 1, "the one behind it");
    assert_eq!(letters[0].payload(), Some(&b"{"[..]));

    line.kafka.delete_topic(dead).expect("deleted");
    wait_until("it is made anew", DEADLINE, || {
        line.kafka.create_topic(dead, 1).ok()
    })
    .expect("made");
    wait_for(0, 0);
    assert_eq!(line.kafka.read(dead).expect("read").len(), 1);
}
