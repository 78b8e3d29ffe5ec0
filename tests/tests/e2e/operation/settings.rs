//! Settings that are looked at without running, logs for programs, and the end within a set time.

use std::process::Command;
use std::time::Duration;

use deed_tests::consumer::{Membership, without_our_environment};
use deed_tests::event::{Clock, id};
use deed_tests::process::{Signal, wait_until};
use deed_tests::stage::{DEADLINE, Line, PLACE, own_postgres, shared_kafka};
use serde_json::Value;

use super::wait_for_answer;

#[test]
fn settings_are_checked_and_printed_without_running() {
    let line = Line::shared("settings", 1);
    let mut spec = line.consumer_spec("a");
    let right = spec.ask(&PLACE, &["--check-config"]).expect("runs");
    assert_eq!(right.code, Some(0), "{right:?}");
    let printed = spec.ask(&PLACE, &["run", "--print-config"]).expect("runs");
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert!(printed.said.contains("group = \"settings\""), "{printed:?}");
    assert!(!printed.said.contains("tests@"), "no password: {printed:?}");
    spec.settings = "log_format = \"xml\"\n".to_owned();
    let wrong = spec.ask(&PLACE, &["--check-config"]).expect("runs");
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.complained.contains("text or json"), "{wrong:?}");
    let mut command = Command::new(PLACE.consumer());
    without_our_environment(&mut command);
    command
        .args([
            "--check-config",
            "--database-url",
            "host=x user=x",
            "--kafka-bootstrap",
            "x:1",
        ])
        .env("DEED_KAFKA_NO_SUCH_KEY", "1");
    let wrong = command.output().expect("runs");
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(2), "{said}");
    assert!(said.contains("no.such.key"), "{said}");
    for arguments in [
        &[][..],
        &["quarantine"],
        &["reset", "--topic", "t"],
        &["walk"],
    ] {
        let asked = line
            .consumer_spec("b")
            .ask(&PLACE, arguments)
            .expect("runs");
        assert_eq!(asked.code, Some(2), "{arguments:?}: {asked:?}");
        assert!(!asked.complained.is_empty(), "{arguments:?}");
    }
}

/// Less than a classic member's session may last, which is the broker's affair in the newer protocol.
#[test]
fn times_of_the_newer_protocol_fit_all_clients() {
    let line = Line::shared("newer_times", 1);
    let mut spec = line.consumer_spec("a");
    spec.membership = Membership::Newer;
    spec.kafka = vec![("max.poll.interval.ms", "30000".to_owned())];
    let right = spec.ask(&PLACE, &["--check-config"]).expect("runs");
    assert_eq!(right.code, Some(0), "{right:?}");
    let mut consumer = spec.start(&PLACE).expect("consumer");
    wait_for_answer(&mut consumer, "/readyz", 200, "ok");
}

#[test]
fn a_taken_port_is_named() {
    let line = Line::shared("taken_port", 1);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let spec = line.consumer_spec("a");
    let flag = address.to_string();
    let asked = spec
        .ask(&PLACE, &["run", "--http-listen", &flag])
        .expect("runs");
    assert_eq!(asked.code, Some(1), "it may be free in a moment: {asked:?}");
    assert!(asked.complained.contains(&flag), "{asked:?}");
}

#[test]
fn a_log_for_programs_is_an_object_a_line() {
    let line = Line::shared("json_log", 1);
    let mut spec = line.consumer_spec("a");
    spec.settings = "log_format = \"json\"\n".to_owned();
    let mut consumer = spec.start(&PLACE).expect("consumer");
    let mut clock = Clock::default();
    line.send(&[clock
        .created(id("json document"), id("json anne"), "J")
        .structured()]);
    line.wait_until_applied();
    consumer.stop(DEADLINE).expect("stops");
    let log = consumer.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let starts = lines
        .iter()
        .find(|line| line["message"] == "deed-consumer starts");
    assert_eq!(starts.expect("a first line")["level"], "INFO");
}

#[test]
fn it_ends_in_the_set_time_while_postgres_hangs() {
    let postgres = own_postgres("hanging", false);
    let line = Line::new(shared_kafka(), &postgres, "hanging", &[("events", 1)]);
    let mut spec = line.consumer_spec("a");
    spec.settings = "shutdown_timeout = 2\n".to_owned();
    let mut consumer = spec.start(&PLACE).expect("consumer");
    let mut clock = Clock::default();
    let mut send = |name: &str| {
        line.send(&[clock
            .created(id(name), id("hanging anne"), name)
            .structured()]);
    };
    send("before");
    line.wait_until_applied();
    // A statement of the consumer's that never ends: its row is locked.
    let mut holder = line.admin();
    let mut held = holder.transaction().expect("begun");
    held.execute("SELECT FROM deed.stream_position FOR UPDATE", &[])
        .expect("locked");
    send("meanwhile");
    let mut client = line.admin();
    wait_until("the consumer waits", DEADLINE, || {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
            AND datname = current_database()";
        let waiting: i64 = client.query_one(waits, &[]).ok()?.get(0);
        (waiting > 0).then_some(())
    })
    .expect("waits");
    consumer.signal(Signal::TERM);
    // Beyond the set time there is a moment for what is on its way; a machine that is busy has more of them.
    let status = consumer.wait(Duration::from_secs(60)).expect("ends");
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    held.rollback().expect("free");
    let _next = line.consumer("b");
    line.wait_until_applied();
}
