//! The operator's subcommands.

use deed_tests::event::{Clock, Record, id, structured};
use deed_tests::stage::{Line, PLACE};
use serde_json::{Value, json};

use super::json;

#[test]
fn quarantined_records_are_listed_shown_and_applied_again() {
    let line = Line::shared("commands", 1);
    let spec = line.consumer_spec("a");
    let none = spec.ask(&PLACE, &["quarantine", "list"]).expect("runs");
    assert_eq!(none.said, "no records\n", "{none:?}");
    let mut clock = Clock::default();
    let early = "2040-01-01T00:00:00Z";
    let created = clock.created(id("commands document"), id("commands anne"), "Early");
    let mut future = created.structured();
    let text = String::from_utf8(future.value.expect("a value")).expect("UTF-8");
    let mut event: Value = serde_json::from_str(&text).expect("JSON");
    event["time"] = json!(early);
    future.value = Some(event.to_string().into_bytes());
    let bytes = Record {
        key: Some(vec![0xff]),
        value: Some(b"\xfe\x1b[31m".to_vec()),
        ..structured("", "")
    };
    line.send(&[structured("k", "{\u{1b}[31m"), bytes, future]);
    let mut consumer = spec.start(&PLACE).expect("consumer");
    line.wait_until_applied();

    let listed = spec.ask(&PLACE, &["quarantine", "list"]).expect("runs");
    assert_eq!(listed.code, Some(0));
    assert_eq!(listed.said.lines().count(), 4, "{listed:?}");
    assert!(listed.said.contains("commands.events[0]"), "{listed:?}");
    let page = spec
        .ask(&PLACE, &["quarantine", "list", "--limit", "2", "--json"])
        .expect("runs");
    let page: Vec<Value> = page
        .said
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(page.len(), 2);
    assert_eq!(
        [&page[0]["offset"], &page[1]["offset"]],
        [&json!(0), &json!(1)]
    );
    let last = page[1]["id"].to_string();
    let rest = spec
        .ask(&PLACE, &["quarantine", "list", "--after", &last])
        .expect("runs");
    assert_eq!(rest.said.lines().count(), 2, "{rest:?}");

    let first = page[0]["id"].to_string();
    let shown = spec
        .ask(&PLACE, &["quarantine", "show", &first])
        .expect("runs");
    assert!(
        shown.said.contains("payload  {\\u{1b}[31m") && shown.said.contains("content-type"),
        "nothing reaches the terminal as it is: {shown:?}"
    );
    let whole = json(&spec, &["quarantine", "show", &last, "--json"]);
    assert_eq!(whole["key"], json!({ "hex": "ff" }));
    assert_eq!(whole["payload"], json!({ "hex": "fe1b5b33316d" }));
    assert_eq!(whole["headers"][0]["name"], "content-type");

    let mut client = line.admin();
    client
        .batch_execute("ALTER DATABASE commands SET deed.max_clock_skew = '1000000000s'")
        .expect("patient");
    let third: i64 = client
        .query_one("SELECT max(id) FROM deed.quarantine", &[])
        .expect("ids")
        .get(0);
    let redriven = json(
        &spec,
        &["quarantine", "redrive", &third.to_string(), "--json"],
    );
    assert_eq!(
        redriven,
        json!({ "id": third, "outcome": "applied", "reason": null })
    );
    let again = spec
        .ask(
            &PLACE,
            &["quarantine", "redrive", &first, &third.to_string()],
        )
        .expect("runs");
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.said.contains("rejected"), "{again:?}");
    assert!(
        again
            .complained
            .contains(&format!("not in quarantine: {third}")),
        "{again:?}"
    );
    let again = spec
        .ask(&PLACE, &["quarantine", "redrive", "--all"])
        .expect("runs");
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.complained.contains("stay in quarantine"), "{again:?}");
    let absent = spec
        .ask(&PLACE, &["quarantine", "show", "999999"])
        .expect("runs");
    assert_eq!(absent.code, Some(1));
    assert!(absent.complained.contains("quarantine list"), "{absent:?}");
    assert!(consumer.lives());
}

#[test]
fn positions_are_shown_with_owners_and_what_is_not_there_is_said() {
    let line = Line::shared("positions", 2);
    let topic = &line.topics[0];
    let spec = line.consumer_spec("a");
    let before = json(&spec, &["status", "--json"]);
    let states = |status: &Value| -> Vec<Value> {
        let rows = status["partitions"].as_array().expect("rows");
        rows.iter().map(|row| row["state"].clone()).collect()
    };
    assert_eq!(states(&before), [json!("unclaimed"), json!("unclaimed")]);
    let mut clock = Clock::default();
    let mut record = clock
        .created(id("positions"), id("positions anne"), "P")
        .structured();
    record.partition = Some(1);
    line.send(&[record]);
    let consumer = line.consumer("a");
    line.wait_until_applied();
    line.wait_until_claimed(topic);
    let after = json(&spec, &["status", "--json"]);
    assert_eq!(states(&after), [json!("claimed"), json!("claimed")]);
    assert_eq!(after["partitions"][1]["lag"], 0, "{after}");
    let owner = after["partitions"][1]["owner"].as_str().expect("an owner");
    assert!(owner.contains("process "), "{owner}");
    let table = spec.ask(&PLACE, &["status"]).expect("runs");
    assert!(
        table.said.contains(owner) && table.said.contains("LAG"),
        "{table:?}"
    );
    drop(consumer);

    let absent = ["reset", "--topic", topic, "--partition", "7"];
    let absent = spec.ask(&PLACE, &absent).expect("runs");
    assert_eq!(absent.code, Some(1));
    assert!(
        absent.complained.contains("deed-consumer status"),
        "{absent:?}"
    );
    let beyond = [
        "reset",
        "--topic",
        topic,
        "--partition",
        "1",
        "--offset",
        "2",
    ];
    let beyond = spec.ask(&PLACE, &beyond).expect("runs");
    assert_eq!(beyond.code, Some(1));
    assert!(beyond.complained.contains("outside the log"), "{beyond:?}");
    let unchanged = json(&spec, &["status", "--json"]);
    assert_eq!(unchanged["partitions"][1]["next_offset"], 1, "{unchanged}");
    let mut elsewhere = line.consumer_spec("elsewhere");
    elsewhere.database_url = "postgres://nobody@127.0.0.1:1/none".to_owned();
    let refused = elsewhere.ask(&PLACE, &["status"]).expect("runs");
    assert_eq!(refused.code, Some(1));
    assert!(refused.complained.starts_with("error: "), "{refused:?}");
    let mut elsewhere = line.consumer_spec("elsewhere");
    elsewhere.kafka_bootstrap = "127.0.0.1:1".to_owned();
    let half = elsewhere.ask(&PLACE, &["status"]).expect("runs");
    assert_eq!(half.code, Some(0), "positions are known without Kafka");
    assert!(half.complained.contains("kafka_bootstrap"), "{half:?}");
}
