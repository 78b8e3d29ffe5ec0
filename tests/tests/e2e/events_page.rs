//! `docs/EVENTS.md` against the product: its examples, its schema and its outcomes.

use std::collections::BTreeSet;
use std::fs;

use deed_tests::event::{Event, Record};
use deed_tests::snapshot::Snapshot;
use deed_tests::stage::{DEADLINE, Line, PLACE, shared_postgres};
use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use postgres::Client;
use serde_json::{Value, json};

mod edges;

/// The events of the page, in its order.
pub fn examples() -> Vec<Value> {
    examples_on("docs/EVENTS.md")
}

/// The events in the JSON fences of a page.
pub fn examples_on(page: &str) -> Vec<Value> {
    let page = read(page);
    let fenced = page.split("```json\n").skip(1);
    let texts = fenced.map(|rest| rest.split("```").next().expect("an end of the fence"));
    texts
        .map(|text| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")))
        .collect()
}

fn example(kind: &str) -> Value {
    let of_kind = |event: &Value| event["type"] == kind;
    examples().into_iter().find(of_kind).expect(kind)
}

/// The schema of the events.
pub fn schema() -> Value {
    serde_json::from_str(&read("docs/events/schema.json")).expect("JSON")
}

/// Formats are asserted too.
pub fn validator_of(schema: &Value) -> Validator {
    let options = jsonschema::options().should_validate_formats(true);
    options.build(schema).expect("a schema")
}

/// A file of the project.
pub fn read(path: &str) -> String {
    fs::read_to_string(PLACE.root.join(path)).expect(path)
}

/// The types that core takes, from the one `match` that reads them.
pub fn types_of_the_product() -> BTreeSet<String> {
    let source = read("extension/core/src/event.rs");
    let arms = source
        .lines()
        .filter_map(|line| line.split_once("\" => Body::"));
    let types: BTreeSet<String> = arms
        .map(|(word, _)| word.trim().trim_start_matches('"').to_owned())
        .collect();
    assert!(!types.is_empty(), "event.rs reads its types in another way");
    types
}

fn database(name: &str) -> Client {
    let postgres = shared_postgres();
    postgres.create_database(name).expect("database");
    postgres.admin(name).expect("connection")
}

/// The outcome, or the field that DETAIL names.
pub fn apply(client: &mut Client, event: &Value) -> Result<String, String> {
    let applied = client.query_one(
        "SELECT deed.apply($1::text::jsonb)::text",
        &[&event.to_string()],
    );
    applied.map(|row| row.get(0)).map_err(|error| {
        let error = error.as_db_error().expect("an answer of the server");
        assert_eq!(error.code().code(), "PD001", "{error:?} for {event}");
        error.detail().expect("DETAIL").to_owned()
    })
}

/// The member that an error of the schema speaks of, in the words of the product.
fn field(error: &ValidationError<'_>) -> String {
    let missing = match error.kind() {
        ValidationErrorKind::Required { property } => property.as_str(),
        _ => None,
    };
    let path = error.instance_path().as_str().to_owned();
    let parts = path.split('/').skip(1).chain(missing);
    parts.collect::<Vec<_>>().join(".")
}

#[test]
fn every_type_has_one_example_and_one_schema() {
    let types = types_of_the_product();
    let on_the_page: Vec<String> = examples()
        .iter()
        .map(|event| event["type"].as_str().expect("a type").to_owned())
        .collect();
    assert_eq!(on_the_page.len(), types.len(), "{on_the_page:?}");
    assert_eq!(on_the_page.into_iter().collect::<BTreeSet<_>>(), types);

    let schema = schema();
    let words = schema["properties"]["type"]["enum"]
        .as_array()
        .expect("an enum");
    assert_eq!(words.len(), types.len());
    for (word, rule) in words.iter().zip(schema["allOf"].as_array().expect("allOf")) {
        let word = word.as_str().expect("a word");
        assert!(types.contains(word), "{word}");
        assert_eq!(rule["if"]["properties"]["type"]["const"], word);
        let data = json!({ "data": { "$ref": format!("#/$defs/{word}") } });
        assert_eq!(rule["then"]["properties"], data);
        assert!(schema["$defs"][word].is_object(), "{word}");
    }
}

#[test]
fn every_example_is_valid_and_has_the_outcomes_that_the_page_says() {
    let validator = validator_of(&schema());
    let mut client = database("events_page");
    for event in examples() {
        let kind = &event["type"];
        let problems: Vec<String> = validator
            .iter_errors(&event)
            .map(|e| e.to_string())
            .collect();
        assert!(problems.is_empty(), "{kind}: {problems:?}");
        assert_eq!(
            apply(&mut client, &event).as_deref(),
            Ok("applied"),
            "{kind}"
        );
        let again = if kind == "document.purged" {
            "stale"
        } else {
            "duplicate"
        };
        assert_eq!(
            apply(&mut client, &event).as_deref(),
            Ok(again),
            "{kind} again"
        );
        let mut earlier = event.clone();
        earlier["time"] = json!("2025-01-01T00:00:00Z");
        assert_eq!(
            apply(&mut client, &earlier).as_deref(),
            Ok("stale"),
            "{kind}, earlier"
        );
    }

    for kind in ["document.updated", "principal.updated"] {
        let mut nothing = example(kind);
        nothing["data"] =
            json!({ "updated_by": example("document.updated")["data"]["updated_by"] });
        assert_eq!(
            apply(&mut client, &nothing).as_deref(),
            Ok("duplicate"),
            "{kind}, of nothing"
        );
    }
}

#[test]
fn whatever_is_told_of_a_purged_document_is_stale() {
    let mut client = database("events_page_purged");
    let purge = example("document.purged");
    assert_eq!(apply(&mut client, &purge).as_deref(), Ok("applied"));
    for mut event in examples() {
        let kind = event["type"].as_str().expect("a type");
        if kind.starts_with("document.") || kind.starts_with("permission.") {
            let what = kind.to_owned();
            event["subject"] = purge["subject"].clone();
            event["time"] = json!("2026-02-01T00:00:00Z");
            assert_eq!(apply(&mut client, &event).as_deref(), Ok("stale"), "{what}");
        }
    }
    let left = client
        .query_one(
            "SELECT (SELECT count(*) FROM deed.document), (SELECT count(*) FROM deed.permission)",
            &[],
        )
        .expect("counts");
    assert_eq!((left.get::<_, i64>(0), left.get::<_, i64>(1)), (1, 0));
}

/// Binary, structured and `deed.apply` give the same versions.
#[test]
fn the_examples_leave_the_same_tables_in_every_mode() {
    let mut client = database("events_page_applied");
    for event in examples() {
        assert_eq!(apply(&mut client, &event).as_deref(), Ok("applied"));
    }
    let applied = Snapshot::take(&mut client);
    for (name, record) in [
        (
            "events_page_structured",
            Event::structured as fn(&Event) -> Record,
        ),
        ("events_page_binary", Event::binary),
    ] {
        let line = Line::shared(name, 1);
        let mut consumer = line.consumer("a");
        let records: Vec<Record> = examples()
            .iter()
            .map(|event| record(&typed(event)))
            .collect();
        line.send(&records);
        line.wait_until_applied();
        consumer.stop(DEADLINE).expect("stops");
        assert_eq!(Snapshot::take(&mut line.admin()), applied, "{name}");
    }
}

fn typed(event: &Value) -> Event {
    let text = |name: &str| event[name].as_str().expect(name).to_owned();
    Event {
        id: text("id"),
        source: text("source"),
        kind: text("type"),
        subject: text("subject").parse().expect("a uuid"),
        time: text("time"),
        sequence: event["sequence"].as_str().map(str::to_owned),
        data: event["data"].clone(),
    }
}
