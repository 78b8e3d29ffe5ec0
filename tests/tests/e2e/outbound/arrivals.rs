//! What was told, written down as it enters the outbox, and what has arrived in Kafka.

use std::collections::BTreeMap;

use deed_tests::outbound::{Told, read};
use deed_tests::process::wait_until;
use deed_tests::stage::{DEADLINE, Line};
use postgres::Client;
use rdkafka::Message;
use rdkafka::message::{Headers, OwnedMessage};
use uuid::Uuid;

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

/// Waits until nothing is marked and the outbox is empty.
pub fn wait_until_relayed(line: &Line<'_>) {
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
pub fn assert_arrived(told: &[Told], records: &[OwnedMessage]) -> usize {
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
