//! What was told, written down as it enters the outbox, and what has arrived in Kafka.

use std::collections::BTreeMap;

use postgres::Client;
use rdkafka::Message;
use rdkafka::message::{Headers, OwnedMessage};
use uuid::Uuid;

use crate::outbound::{Told, read};
use crate::process::wait_until;
use crate::stage::{DEADLINE, Line};

/// Has each row of the outbox written down beside it, for the relay takes them out.
pub fn write_down(client: &mut Client) {
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

/// All that was ever in the outbox, in order.
pub fn told(client: &mut Client) -> Vec<Told> {
    read(
        client,
        "SELECT id, type, key, payload FROM public.told ORDER BY seq",
    )
}

/// How many marks, events and dead letters wait; none while Postgres does not answer.
pub fn waiting(line: &Line<'_>) -> Option<i64> {
    let mut client = line.postgres.admin(&line.name).ok()?;
    let left = "SELECT (SELECT count(*) FROM deed.mark) + (SELECT count(*) FROM deed.outbox) \
                + (SELECT count(*) FROM deed.dead_letter)";
    Some(client.query_one(left, &[]).ok()?.get(0))
}

/// Waits until nothing is marked and all is out.
pub fn wait_until_relayed(line: &Line<'_>) {
    wait_until("all is relayed", DEADLINE, || {
        (waiting(line)? == 0).then_some(())
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

/// What has arrived.
#[derive(Debug, Default)]
pub struct Arrived {
    /// The events, each where its id is seen for the first time.
    pub first: Vec<Told>,
    /// How many came again.
    pub again: usize,
}

/// Reads the records, partition by partition; what arrives again must say the same, to the byte.
pub fn arrived(records: &[OwnedMessage]) -> Result<Arrived, String> {
    let mut arrived = Arrived::default();
    let mut seen: BTreeMap<Uuid, &OwnedMessage> = BTreeMap::new();
    for record in records {
        let event = received(record);
        match seen.get(&event.id) {
            Some(earlier) if is_same(earlier, record) => arrived.again += 1,
            Some(earlier) => {
                return Err(format!(
                    "one id says two things: {:?} and {event:?}",
                    received(earlier)
                ));
            }
            None => {
                seen.insert(event.id, record);
                arrived.first.push(event);
            }
        }
    }
    Ok(arrived)
}

fn is_same(one: &OwnedMessage, other: &OwnedMessage) -> bool {
    let headers = |record: &OwnedMessage| -> Vec<(String, Option<Vec<u8>>)> {
        let headers = record.headers().into_iter().flat_map(Headers::iter);
        let owned = headers.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)));
        owned.collect()
    };
    one.key() == other.key() && one.payload() == other.payload() && headers(one) == headers(other)
}

/// Whether each told event has arrived, nothing else has, and the order is kept for each key.
pub fn compare(told: &[Told], arrived: &Arrived) -> Result<(), String> {
    let by_key = |events: &[Told]| {
        let mut keys: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
        for (n, event) in events.iter().enumerate() {
            keys.entry(event.subject).or_default().push(n);
        }
        keys
    };
    let (told_by_key, arrived_by_key) = (by_key(told), by_key(&arrived.first));
    let none = Vec::new();
    for key in told_by_key.keys().chain(arrived_by_key.keys()) {
        let mut told = told_by_key
            .get(key)
            .unwrap_or(&none)
            .iter()
            .map(|n| &told[*n]);
        let places = arrived_by_key.get(key).unwrap_or(&none);
        let mut arrived = places.iter().map(|n| &arrived.first[*n]);
        loop {
            match (told.next(), arrived.next()) {
                (None, None) => break,
                (told, arrived) if told == arrived => {}
                (told, arrived) => {
                    return Err(format!("key {key}: told {told:?}, arrived {arrived:?}"));
                }
            }
        }
    }
    Ok(())
}

/// Fails unless all that was told has arrived, in order for each key. How many came again.
pub fn assert_arrived(told: &[Told], records: &[OwnedMessage]) -> usize {
    let arrived = arrived(records).unwrap_or_else(|error| panic!("{error}"));
    compare(told, &arrived).unwrap_or_else(|error| panic!("{error}"));
    arrived.again
}
