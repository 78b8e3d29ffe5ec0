//! Several relays of one outbox: one is at work.

use deed_tests::arrivals::{assert_arrived, told, wait_until_relayed, write_down};
use deed_tests::event::{Clock, id};
use deed_tests::outbound::watch;
use deed_tests::owner::apply;
use deed_tests::process::{Process, Signal, wait_until};
use deed_tests::stage::{DEADLINE, Line, OUTBOUND, PLACE, own_kafka};
use postgres::Client;
use rdkafka::producer::{BaseRecord, Producer};
use uuid::Uuid;

use crate::ground::ahead;

fn relay(line: &Line<'_>, name: &str) -> Process {
    let mut spec = line.consumer_spec(name);
    spec.command = "relay";
    spec.start(&PLACE).expect("relay")
}

fn wait_for_log(process: &mut Process, words: &str) {
    process
        .wait_for_log(words, DEADLINE, |log| log.contains(words).then_some(()))
        .expect("it says so");
}

#[test]
fn a_stopped_relay_is_fenced_and_stands_by() {
    let kafka = own_kafka("fence-kafka");
    let line = Line::new(
        &kafka,
        deed_tests::stage::shared_postgres(),
        "fence",
        &[("events", 1)],
    );
    let mut admin = line.admin();
    write_down(&mut admin);
    let mut clock = Clock::default();
    let mut n = 0;
    let mut create = |client: &mut Client| {
        n += 1;
        let event = clock.created(id(&format!("fenced {n}")), id("anne"), "Plan");
        apply(client, &event);
    };
    create(&mut admin);
    let mut first = relay(&line, "first");
    wait_until_relayed(&line);

    // The name of its producer belongs to the outbox; whoever takes it up next fences it.
    first.signal(Signal::STOP);
    create(&mut admin);
    let mut second = relay(&line, "second");
    wait_for_log(&mut second, "this relay is at work");
    wait_until_relayed(&line);
    first.signal(Signal::CONT);
    wait_for_log(&mut first, "another relay is at work");
    create(&mut admin);
    wait_until_relayed(&line);

    // In the broker: a producer of that name with a transaction half done, until a relay starts.
    let outbox: Uuid = admin
        .query_one("SELECT deed.outbox_id()", &[])
        .expect("id")
        .get(0);
    first.stop(DEADLINE).expect("stops");
    second.stop(DEADLINE).expect("stops");
    let zombie = kafka
        .transactional(&format!("deed-relay-{outbox}"))
        .expect("producer");
    let record = BaseRecord::to(OUTBOUND).key("zombie").payload("zombie");
    zombie
        .send(record)
        .map_err(|(error, _)| error)
        .expect("sent");
    zombie.flush(DEADLINE).expect("the broker has it");
    create(&mut admin);
    let third = relay(&line, "third");
    wait_until_relayed(&line);
    let refused = zombie.commit_transaction(DEADLINE).expect_err("fenced");
    assert!(refused.to_string().contains("fenced"), "{refused}");
    let records = kafka.read(OUTBOUND).expect("read");
    let again = assert_arrived(&told(&mut admin), &records);
    println!("fence: {n} events, {again} twice");
    drop(third);
}

/// Two relays, of which the one at work is killed while grants expire: each is told once, and each watched level.
#[test]
fn expiries_are_told_once_by_two_relays() {
    let kafka = own_kafka("expiries-kafka");
    let line = Line::new(
        &kafka,
        deed_tests::stage::shared_postgres(),
        "expiries",
        &[("events", 1)],
    );
    let mut admin = line.admin();
    write_down(&mut admin);
    let mut clock = Clock::default();
    let anne = id("anne");
    let mut first = relay(&line, "first");
    wait_for_log(&mut first, "this relay is at work");
    let second = relay(&line, "second");
    const GRANTS: usize = 40;
    for n in 0..GRANTS {
        let (document, reader) = (id(&format!("plan {n}")), id(&format!("reader {n}")));
        let soon = ahead(&mut admin, &format!("{} milliseconds", 1_000 + n * 150));
        for event in [
            clock.created(document, anne, "Plan"),
            clock.granted_until(document, reader, "viewer", anne, &soon),
        ] {
            apply(&mut admin, &event);
        }
        watch(&mut admin, reader, document, "test");
    }
    let expired = |admin: &mut Client, kind: &str| {
        let ended = told(admin)
            .into_iter()
            .filter(|told| told.kind == kind && told.data["new_level"].is_null());
        ended.filter(|told| told.data["cause"].is_null()).count()
    };
    wait_until("some have expired", DEADLINE, || {
        (expired(&mut admin, "deed.permission.updated") > GRANTS / 4).then_some(())
    })
    .expect("they expire");
    first.kill();
    wait_until("all have expired", DEADLINE, || {
        (expired(&mut admin, "deed.access.changed") >= GRANTS).then_some(())
    })
    .expect("they expire");
    wait_until_relayed(&line);
    for kind in ["deed.permission.updated", "deed.access.changed"] {
        assert_eq!(expired(&mut admin, kind), GRANTS, "{kind}");
    }
    assert_arrived(&told(&mut admin), &kafka.read(OUTBOUND).expect("read"));
    let late = "SELECT max(o.at - p.expires_at)::text FROM public.told AS o
        JOIN deed.permission AS p ON p.document_id = o.key AND p.expired
        WHERE o.type = 'deed.permission.updated' AND o.payload::jsonb ->> 'cause' IS NULL";
    let late: String = admin.query_one(late, &[]).expect(late).get(0);
    println!(
        "{GRANTS} grants expired, the relay at work killed among it; the latest was told after {late}"
    );
    drop(second);
}

/// One that can't reach Kafka is at work first: it gives its turn up, and says why.
#[test]
fn a_relay_that_can_not_reach_kafka_keeps_no_other_from_it() {
    let kafka = own_kafka("unreached-kafka");
    let line = Line::new(
        &kafka,
        deed_tests::stage::shared_postgres(),
        "unreached",
        &[("events", 1)],
    );
    let mut admin = line.admin();
    write_down(&mut admin);
    let mut spec = line.consumer_spec("astray");
    spec.command = "relay";
    spec.kafka_bootstrap = "127.0.0.1:1".to_owned();
    let mut astray = spec.start(&PLACE).expect("relay");
    wait_until("it has its turn", DEADLINE, || {
        let turn = "SELECT count(*) FROM deed.relay WHERE until > clock_timestamp()";
        let turns: i64 = admin.query_one(turn, &[]).ok()?.get(0);
        (turns == 1).then_some(())
    })
    .expect("its turn");
    let event = Clock::default().created(id("plan"), id("anne"), "Plan");
    apply(&mut admin, &event);
    let other = relay(&line, "other");
    wait_until_relayed(&line);
    wait_for_log(&mut astray, "is kafka_bootstrap right");
    assert_arrived(&told(&mut admin), &kafka.read(OUTBOUND).expect("read"));
    astray.stop(DEADLINE).expect("stops");
    drop(other);
}

/// Events wait until the topic is there.
#[test]
fn a_topic_that_is_missing_is_waited_for() {
    let kafka = own_kafka("topicless-kafka");
    kafka.delete_topic(OUTBOUND).expect("deleted");
    let line = Line::new(
        &kafka,
        deed_tests::stage::shared_postgres(),
        "topicless",
        &[("events", 1)],
    );
    let mut admin = line.admin();
    write_down(&mut admin);
    let mut relay = relay(&line, "early");
    apply(
        &mut admin,
        &Clock::default().created(id("plan"), id("anne"), "Plan"),
    );
    wait_for_log(&mut relay, "is there such a topic?");
    kafka.create_topic(OUTBOUND, 1).expect("topic");
    wait_until_relayed(&line);
    assert_arrived(&told(&mut admin), &kafka.read(OUTBOUND).expect("read"));
}
