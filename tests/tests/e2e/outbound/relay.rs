//! From the outbox to a reader of Kafka: through kills, with several relays, and behind a stopped one.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use deed_tests::consumer::positions;
use deed_tests::event::{Clock, id};
use deed_tests::load;
use deed_tests::outbound::{Told, watch};
use deed_tests::process::{Process, Signal, wait_until};
use deed_tests::stage::{DEADLINE, Line, OUTBOUND, PLACE, own_kafka, own_postgres};
use postgres::Client;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rdkafka::Message;
use rdkafka::message::{Headers, OwnedMessage};
use rdkafka::producer::{BaseRecord, Producer};
use uuid::Uuid;

use crate::ground::ahead;

const EVENTS: usize = 12_000;
const DOCUMENTS: usize = 1_000;
const PARTITIONS: i32 = 2;
const KILLS: usize = 10;

/// Has each row of the outbox written down beside it, for the relay takes them out.
fn write_down(client: &mut Client) {
    client
        .batch_execute(
            "CREATE TABLE public.told (seq bigint PRIMARY KEY, id uuid, key uuid, type text, payload text, at timestamptz);
             CREATE FUNCTION public.write_down_told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
             BEGIN
               INSERT INTO public.told VALUES (NEW.seq, NEW.id, NEW.aggregateid, NEW.type, NEW.payload::text, NEW.at);
               RETURN NULL;
             END $$;
             CREATE TRIGGER write_down AFTER INSERT ON deed.outbox FOR EACH ROW
               EXECUTE FUNCTION public.write_down_told()",
        )
        .expect("audit");
}

fn told(client: &mut Client) -> Vec<Told> {
    let rows = client.query(
        "SELECT id, type, key, payload FROM public.told ORDER BY seq",
        &[],
    );
    let told = |row: &postgres::Row| Told {
        id: row.get(0),
        kind: row.get(1),
        subject: row.get(2),
        data: serde_json::from_str(row.get(3)).expect("JSON"),
    };
    rows.expect("audit").iter().map(told).collect()
}

/// Waits until nothing is marked and the outbox is empty.
fn wait_until_relayed(line: &Line<'_>) {
    wait_until("all is relayed", DEADLINE, || {
        let mut client = line.postgres.admin(&line.name).ok()?;
        let left = "SELECT (SELECT count(*) FROM deed.mark) + (SELECT count(*) FROM deed.outbox)";
        (client.query_one(left, &[]).ok()?.get::<_, i64>(0) == 0).then_some(())
    })
    .expect("all is relayed");
}

/// An event as a record carries it, in CloudEvents' binary mode.
fn received(record: &OwnedMessage) -> Told {
    let headers = record.headers().expect("headers");
    let header = |name: &str| {
        let mut found = headers.iter().filter(|header| header.key == name);
        let value = found.next().and_then(|header| header.value);
        let text = String::from_utf8(value.unwrap_or_else(|| panic!("{name}")).to_vec());
        text.expect("UTF-8")
    };
    assert_eq!(header("ce_specversion"), "1.0");
    assert_eq!(header("ce_source"), "deed");
    assert_eq!(header("content-type"), "application/json");
    assert!(header("ce_time").ends_with('Z'));
    let subject = header("ce_subject");
    assert_eq!(record.key(), Some(subject.as_bytes()));
    Told {
        id: header("ce_id").parse().expect("a uuid"),
        kind: header("ce_type"),
        subject: subject.parse().expect("a uuid"),
        data: serde_json::from_slice(record.payload().expect("a value")).expect("JSON"),
    }
}

/// Each told event has arrived, in order for its key where its id is seen for the first time; what arrives again says the same.
/// How many did.
fn assert_arrived(told: &[Told], records: &[OwnedMessage]) -> usize {
    let mut first: BTreeMap<Uuid, Told> = BTreeMap::new();
    let mut by_key: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    let mut again = 0;
    for record in records {
        let event = received(record);
        match first.get(&event.id) {
            Some(earlier) => {
                assert_eq!(*earlier, event, "one id says one thing");
                again += 1;
            }
            None => {
                by_key.entry(event.subject).or_default().push(event.id);
                first.insert(event.id, event);
            }
        }
    }
    let mut expected: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for event in told {
        assert_eq!(first.get(&event.id), Some(event), "arrived as it was told");
        expected.entry(event.subject).or_default().push(event.id);
    }
    assert_eq!(by_key, expected, "in order for each key");
    again
}

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
    let mut apply = |client: &mut Client| {
        n += 1;
        let event = clock.created(id(&format!("fenced {n}")), id("anne"), "Plan");
        let envelope = event.envelope().to_string();
        client
            .execute("SELECT deed.apply($1::text::jsonb)", &[&envelope])
            .expect("applied");
    };
    apply(&mut admin);
    let mut first = relay(&line, "first");
    wait_until_relayed(&line);

    // The name of its producer belongs to the outbox; whoever takes it up next fences it.
    first.signal(Signal::STOP);
    apply(&mut admin);
    let mut second = relay(&line, "second");
    wait_for_log(&mut second, "this relay is at work");
    wait_until_relayed(&line);
    first.signal(Signal::CONT);
    wait_for_log(&mut first, "another relay is at work");
    apply(&mut admin);
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
    apply(&mut admin);
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
            let envelope = event.envelope().to_string();
            admin
                .execute("SELECT deed.apply($1::text::jsonb)", &[&envelope])
                .expect("applied");
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
