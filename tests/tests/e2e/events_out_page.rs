//! `docs/EVENTS_OUT.md` against the product: its examples, its schema, and what is really told.

use std::collections::BTreeSet;

use deed_tests::event::{Clock, Event, id};
use deed_tests::outbound::{settle, watch};
use deed_tests::owner::apply;
use postgres::Client;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::events_page::{self, read, validator_of};
use crate::ground::Ground;

const RELAY: Uuid = Uuid::from_u128(0xe1);

/// The events of the page, in its order.
pub fn examples() -> Vec<Value> {
    events_page::examples_on("docs/EVENTS_OUT.md")
}

/// The schema of the events.
pub fn schema() -> Value {
    serde_json::from_str(&read("docs/events/outbound.json")).expect("JSON")
}

/// The types that core tells, from the one `match` that names them.
pub fn types_of_the_product() -> BTreeSet<String> {
    let source = read("extension/core/src/outbound.rs");
    let arms = source
        .lines()
        .filter_map(|line| line.split_once("=> \"deed."));
    let types: BTreeSet<String> = arms
        .map(|(_, word)| format!("deed.{}", word.trim_end_matches("\",")))
        .collect();
    assert!(
        !types.is_empty(),
        "outbound.rs names its types in another way"
    );
    types
}

/// What is in the outbox, as structured CloudEvents.
fn told(client: &mut Client) -> Vec<Value> {
    let rows = client.query(
        "SELECT id::text, type, aggregateid::text, payload::text,
           to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')
         FROM deed.outbox ORDER BY seq",
        &[],
    );
    let event = |row: &postgres::Row| {
        let text = |at: usize| row.get::<_, String>(at);
        let data: Value = serde_json::from_str(&text(3)).expect("JSON");
        json!({ "specversion": "1.0", "id": text(0), "source": "deed", "type": text(1),
                "subject": text(2), "time": text(4), "data": data })
    };
    rows.expect("outbox").iter().map(event).collect()
}

#[test]
fn every_outbound_type_has_one_example_and_one_schema() {
    let types = types_of_the_product();
    let kind = |event: &Value| event["type"].as_str().expect("a type").to_owned();
    let shown: Vec<String> = examples().iter().map(kind).collect();
    assert_eq!(shown.len(), types.len(), "{shown:?}");
    assert_eq!(shown.into_iter().collect::<BTreeSet<_>>(), types);
    let schema = schema();
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for rule in schema["allOf"].as_array().expect("allOf") {
        let word = &rule["if"]["properties"]["type"]["const"];
        let word = word.as_str().expect("a word");
        let data = json!({ "data": { "$ref": format!("#/$defs/{word}") } });
        assert_eq!(rule["then"]["properties"], data);
        assert!(schema["$defs"][word].is_object(), "{word}");
        told.insert(word);
    }
    assert_eq!(told, types.iter().map(String::as_str).collect());
    let validator = validator_of(&schema);
    for example in examples() {
        let problem = validator.iter_errors(&example).next();
        assert!(problem.is_none(), "{example}: {problem:?}");
    }
}

#[test]
fn what_is_told_is_as_the_schema_says() {
    let mut ground = Ground::new("events_out_page");
    let client = ground.client();
    // The story of EVENTS.md, and what it lacks: somebody who watches, and a document left alone.
    let events = events_page::examples();
    let of = |event: &Value, member: &str| event["data"][member].as_str().map(str::to_owned);
    for event in &events {
        events_page::apply(client, event).expect("applied");
        let subject: Uuid = event["subject"]
            .as_str()
            .expect("one")
            .parse()
            .expect("a uuid");
        let recipient = of(event, "recipient").and_then(|recipient| recipient.parse().ok());
        if let Some(recipient) = recipient {
            watch(client, recipient, subject, "test");
        }
    }
    let mut clock = Clock::default();
    let [plan, anne, bob] = ["plan", "anne", "bob"].map(id);
    let more: [Event; 6] = [
        clock.created(plan, anne, "Plan"),
        clock.granted(plan, Uuid::from_u128(1), "viewer", anne),
        clock.removed(anne),
        clock.principal_restored(anne),
        clock.deleted(plan, anne),
        clock.restored(plan, anne),
    ];
    watch(client, bob, plan, "test");
    for event in &more {
        apply(client, event);
        settle(client, RELAY);
    }
    let schema = schema();
    let validator = validator_of(&schema);
    let mut types = types_of_the_product();
    for event in told(client) {
        let problem = validator.iter_errors(&event).next();
        assert!(problem.is_none(), "{event}: {problem:?}");
        let kind = event["type"].as_str().expect("a type");
        // The schema leaves room for later versions; this one tells what it describes.
        for member in event["data"].as_object().expect("data").keys() {
            let described = &schema["$defs"][kind]["properties"][member];
            assert!(described.is_object(), "{kind} has {member}");
        }
        types.remove(kind);
    }
    assert!(types.is_empty(), "{types:?} are never told");
}
