//! A partition that stops, alone and loudly, until an operator decides.

use deed_tests::consumer::positions;
use deed_tests::event::{Clock, id, structured};
use deed_tests::process::wait_until;
use deed_tests::stage::{DEADLINE, Line, PLACE};
use serde_json::json;

use super::{json, metric, wait_for_answer};

#[test]
fn without_tolerance_a_partition_stops_at_the_record_and_the_others_go_on() {
    let line = Line::shared("intolerant", 2);
    let topic = &line.topics[0];
    let mut clock = Clock::default();
    let anne = id("intolerant anne");
    let mut created = |name: &str, partition| {
        let mut record = clock.created(id(name), anne, name).structured();
        record.partition = Some(partition);
        record
    };
    let mut poison = structured("poison", "{");
    poison.partition = Some(0);
    let mut records: Vec<_> = (0..300)
        .map(|n| created(&format!("before {n}"), 0))
        .collect();
    records.push(poison);
    records.extend((0..300).map(|n| created(&format!("behind {n}"), 0)));
    line.send(&records);
    let mut spec = line.consumer_spec("a");
    spec.settings = "errors.tolerance = \"none\"\n".to_owned();
    let mut consumer = spec.start(&PLACE).expect("consumer");

    let ready = wait_for_answer(&mut consumer, "/readyz?verbose", 200, "stopped: ");
    println!("/readyz?verbose\n{ready}");
    let mut client = line.admin();
    let count = "SELECT (SELECT count(*) FROM deed.document) || ' ' || (SELECT count(*) FROM deed.quarantine)";
    let stored = |client: &mut postgres::Client| -> String {
        client.query_one(count, &[]).expect(count).get(0)
    };
    assert_eq!(
        stored(&mut client),
        "300 0",
        "all before it, and nothing of it"
    );
    assert_eq!(
        positions(&mut client, &line.name, topic),
        Some(vec![300, 0])
    );

    line.send(
        &(0..50)
            .map(|n| created(&format!("beside {n}"), 1))
            .collect::<Vec<_>>(),
    );
    wait_until("the other partition goes on", DEADLINE, || {
        (positions(&mut client, &line.name, topic)? == [300, 50]).then_some(())
    })
    .expect("goes on");

    let status = spec.ask(&PLACE, &["status"]).expect("runs");
    println!("status\n{}", status.said);
    let as_json = json(&spec, &["status", "--json"]);
    let [first, second] = &as_json["partitions"].as_array().expect("partitions")[..] else {
        panic!("{as_json}");
    };
    let stopped_for = first["stopped_for"].as_str().expect("a reason");
    assert!(
        stopped_for.contains("offset 300")
            && stopped_for.contains("errors.tolerance is none")
            && stopped_for.contains("--offset 301"),
        "{stopped_for}"
    );
    assert!(status.said.contains(stopped_for) && status.said.contains("deed-consumer reset"));
    assert_eq!(
        [
            &first["state"],
            &first["next_offset"],
            &first["end_offset"],
            &first["lag"]
        ],
        [&json!("stopped"), &json!(300), &json!(601), &json!(301)]
    );
    assert_eq!(
        [&second["state"], &second["lag"], &second["stopped_for"]],
        [&json!("claimed"), &json!(0), &json!(null)]
    );
    let series =
        format!("deed_partition_state{{topic=\"{topic}\",partition=\"0\",state=\"stopped\"}}");
    assert_eq!(metric(&mut consumer, &series), Some(1.0));
    let lag = format!("deed_partition_lag_records{{topic=\"{topic}\",partition=\"0\"}}");
    wait_until("its lag is counted", DEADLINE, || {
        (metric(&mut consumer, &lag)? == 301.0).then_some(())
    })
    .expect("counted");

    // The operator passes over the record; nobody is restarted.
    let reset = [
        "reset",
        "--topic",
        topic,
        "--partition",
        "0",
        "--offset",
        "301",
    ];
    let reset = spec.ask(&PLACE, &reset).expect("runs");
    assert_eq!(reset.code, Some(0), "{reset:?}");
    line.wait_until_applied();
    assert_eq!(stored(&mut client), "650 0");
    wait_for_answer(
        &mut consumer,
        "/readyz?verbose",
        200,
        &format!("{topic}[0]: running"),
    );
    assert_eq!(
        json(&spec, &["status", "--json"])["partitions"][0]["state"],
        "claimed"
    );
}

#[test]
fn a_partition_without_records_notices_that_it_was_reset() {
    let line = Line::shared("reset_idle", 1);
    let topic = &line.topics[0];
    let mut clock = Clock::default();
    let created = clock.created(id("reset idle"), id("reset idle anne"), "Idle");
    line.send(&[created.structured()]);
    let mut consumer = line.consumer("a");
    line.wait_until_applied();
    let spec = line.consumer_spec("operator");
    let reset = ["reset", "--topic", topic, "--partition", "0"];
    let reset = spec.ask(&PLACE, &reset).expect("runs");
    assert_eq!(reset.code, Some(0), "{reset:?}");
    let mut client = line.admin();
    assert_eq!(positions(&mut client, &line.name, topic), Some(vec![0]));
    // It reads it all again.
    line.wait_until_applied();
    assert!(consumer.lives());
}
