//! `docs/asyncapi.json`: valid by the published schema of AsyncAPI, and true of the product.

use std::collections::BTreeSet;
use std::fs;

use deed_tests::stage::PLACE;
use serde_json::{Map, Value, json};

use crate::events_out_page;
use crate::events_page::{examples, schema, types_of_the_product};

/// The message that stands for all types: the event is whole in the value.
const STRUCTURED: &str = "structured";

fn document() -> Value {
    let text = fs::read_to_string(PLACE.root.join("docs/asyncapi.json"));
    serde_json::from_str(&text.expect("docs/asyncapi.json")).expect("JSON")
}

/// The value with what it refers to in its place: in this document, or in the schema of the events,
/// whose own references stay.
fn resolved(document: &Value, value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| resolved(document, item)).collect(),
        Value::Object(members) => match members.get("$ref").and_then(Value::as_str) {
            Some(target) => {
                assert_eq!(members.len(), 1, "{target} has company, which tools ignore");
                let (file, pointer) = target.split_once('#').unwrap_or((target, ""));
                let mut events = schema();
                match file {
                    "" => resolved(document, document.pointer(pointer).expect(target)),
                    "events/schema.json" | "events/outbound.json" => {
                        if file == "events/outbound.json" {
                            events = events_out_page::schema();
                        }
                        let found = events.pointer(pointer).expect(target).clone();
                        if !pointer.is_empty() {
                            let definitions = events["$defs"].take();
                            events = json!({ "allOf": [found], "$defs": definitions });
                        }
                        events
                    }
                    _ => panic!("{target} is no file of ours"),
                }
            }
            None => {
                let member =
                    |(key, value): (&String, &Value)| (key.clone(), resolved(document, value));
                Value::Object(members.iter().map(member).collect())
            }
        },
        plain => plain.clone(),
    }
}

#[test]
fn it_is_valid_by_the_published_schema() {
    let text = fs::read_to_string(PLACE.asyncapi_schema()).expect("`dev/install test` fetches it");
    let published: Value = serde_json::from_str(&text).expect("JSON");
    let validator = jsonschema::validator_for(&published).expect("a schema");
    let problems: Vec<String> = validator
        .iter_errors(&document())
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));

    let mut without_operation = document();
    without_operation["operations"]["applyDocuments"]["action"] = json!("consume");
    assert!(
        !validator.is_valid(&without_operation),
        "it refuses nothing"
    );
}

#[test]
fn it_describes_this_version_and_the_default_topics_with_every_type() {
    let document = resolved(&document(), &document());
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut types = types_of_the_product();
    types.insert(STRUCTURED.to_owned());
    types.extend(events_out_page::types_of_the_product());
    let channels = document["channels"].as_object().expect("channels");
    let topics: BTreeSet<&str> = channels
        .values()
        .filter_map(|channel| channel["address"].as_str())
        .collect();
    let expected = ["deed.events", "documents", "permissions", "principals"];
    assert_eq!(topics, BTreeSet::from(expected));
    let operations = document["operations"].as_object().expect("operations");
    for channel in channels.values() {
        let action = match channel["address"].as_str() {
            Some("deed.events") => "send",
            _ => "receive",
        };
        let mut of_channel = operations.values().filter(|o| o["channel"] == *channel);
        let operation = of_channel.next().expect("an operation");
        assert_eq!(operation["action"], action);
        assert_eq!(of_channel.next(), None);
    }

    for (name, message) in document["components"]["messages"]
        .as_object()
        .expect("messages")
    {
        assert!(types.remove(name), "{name} is no type of the product");
        assert_eq!(message["name"], json!(name));
        let mut carrying = channels.values().map(|channel| &channel["messages"][name]);
        assert!(
            carrying.any(|carried| carried == message),
            "no channel has {name}"
        );
    }
    assert!(types.is_empty(), "{types:?} are not described");
}

/// "Every message sent to this channel MUST be valid against one, and only one, of the message
/// objects" (AsyncAPI 3.0.0, Channel Object).
#[test]
fn each_example_is_one_message_of_one_channel_in_either_mode() {
    let document = resolved(&document(), &document());
    for event in examples() {
        let kind = event["type"].as_str().expect("a type");
        let mut headers = Map::new();
        for (name, value) in event
            .as_object()
            .expect("an event")
            .iter()
            .filter(|(name, _)| *name != "data")
        {
            headers.insert(format!("ce_{name}"), value.clone());
        }
        let binary = (Value::Object(headers), event["data"].clone());
        let structured = (
            json!({ "content-type": "application/cloudevents+json" }),
            event.clone(),
        );
        for ((headers, value), name) in [(binary, kind), (structured, STRUCTURED)] {
            let group = kind.split('.').next().expect("a word");
            let channel = match group {
                "group" => "principals",
                word => &format!("{word}s"),
            };
            assert_eq!(
                fitting(&document, channel, &headers, &value),
                [name],
                "{kind}"
            );
        }
    }
    for event in events_out_page::examples() {
        let kind = event["type"].as_str().expect("a type");
        let mut headers = json!({ "content-type": "application/json" });
        for (name, value) in event.as_object().expect("an event") {
            if name != "data" {
                headers[format!("ce_{name}")] = value.clone();
            }
        }
        let names = fitting(&document, "deed.events", &headers, &event["data"]);
        assert_eq!(names, [kind]);
    }
}

/// The messages of the channel that such a record is.
fn fitting(document: &Value, channel: &str, headers: &Value, value: &Value) -> Vec<String> {
    let messages = document["channels"][channel]["messages"].as_object();
    let fitting = messages.expect(channel).iter().filter(|(_, message)| {
        jsonschema::is_valid(&message["headers"], headers)
            && jsonschema::is_valid(&message["payload"]["schema"], value)
    });
    fitting.map(|(name, _)| name.clone()).collect()
}
