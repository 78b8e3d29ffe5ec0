//! Postgres goes and comes back; the consumer stops when asked; wrong settings are refused.

use std::process::Command;
use std::thread;
use std::time::Duration;

use deed_tests::consumer::without_our_environment;
use deed_tests::event::{Clock, id};
use deed_tests::stage::{DEADLINE, Line, PLACE, SESSION_TIMEOUT, own_postgres, shared_kafka};

#[test]
fn a_restart_of_postgres_costs_no_place_in_the_group() {
    let postgres = own_postgres("restart", false);
    let line = Line::new(shared_kafka(), &postgres, "restart", &[("events", 2)]);
    let mut consumer = line.consumer("a");
    let mut clock = Clock::default();
    let anne = id("restart anne");
    let mut send = |name: &str| {
        let one = |n| {
            clock
                .created(id(&format!("restart {name} {n}")), anne, name)
                .structured()
        };
        let records: Vec<_> = (0..100).map(one).collect();
        line.send(&records);
    };
    send("before");
    line.wait_until_applied();
    let epochs = || -> Vec<i64> {
        line.admin()
            .query(
                "SELECT epoch FROM deed.stream_position ORDER BY partition",
                &[],
            )
            .expect("epochs")
            .iter()
            .map(|row| row.get(0))
            .collect()
    };
    let before = epochs();
    postgres.stop().expect("stopped");
    send("meanwhile");
    // Longer than the session: only a member that goes on polling keeps its place.
    thread::sleep(SESSION_TIMEOUT * 2);
    assert!(consumer.lives(), "it waits for Postgres");
    postgres.start_again().expect("started");
    line.wait_until_applied();
    send("after");
    line.wait_until_applied();
    assert_eq!(epochs(), before, "no partition was claimed again");
    assert!(
        !consumer.log().contains("partition revoked"),
        "no rebalance"
    );

    let status = consumer.stop(Duration::from_secs(10)).expect("stops");
    assert_eq!(status.and_then(|status| status.code()), Some(0), "SIGTERM");
}

#[test]
fn a_consumer_that_starts_before_postgres_waits_for_it() {
    let postgres = own_postgres("late", false);
    let line = Line::new(shared_kafka(), &postgres, "late", &[("events", 1)]);
    postgres.stop().expect("stopped");
    let mut consumer = line.consumer("a");
    let mut clock = Clock::default();
    line.send(&[clock
        .created(id("late document"), id("late anne"), "Late")
        .structured()]);
    consumer
        .wait_for_log("it says that Postgres is away", DEADLINE, |log| {
            log.to_lowercase().contains("postgres").then_some(())
        })
        .expect("said");
    postgres.start_again().expect("started");
    line.wait_until_applied();
}

#[test]
fn sigterm_ends_it_while_postgres_is_away() {
    let postgres = own_postgres("away", false);
    let line = Line::new(shared_kafka(), &postgres, "away", &[("events", 1)]);
    let mut consumer = line.consumer("a");
    let mut clock = Clock::default();
    line.send(&[clock
        .created(id("away document"), id("away anne"), "Away")
        .structured()]);
    line.wait_until_applied();
    postgres.stop().expect("stopped");
    line.send(&[clock
        .created(id("away other"), id("away anne"), "Away")
        .structured()]);
    let status = consumer.stop(Duration::from_secs(20)).expect("stops");
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    let refused = |arrange: &dyn Fn(&mut Command)| {
        let mut command = Command::new(PLACE.consumer());
        without_our_environment(&mut command);
        command
            .arg("run")
            .env("DEED_DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
            .env("DEED_KAFKA_BOOTSTRAP", "127.0.0.1:1");
        arrange(&mut command);
        let output = command.output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        said
    };
    let said = refused(&|command| {
        command.env("DEED_TOPIC", "documents");
    });
    assert!(said.contains("DEED_TOPIC"), "{said}");
    let file = std::env::temp_dir().join(format!("deed-unknown-{}.toml", std::process::id()));
    std::fs::write(&file, "kafka_bootstap = \"127.0.0.1:1\"\n").expect("written");
    let said = refused(&|command| {
        command.arg("--config").arg(&file);
    });
    std::fs::remove_file(&file).expect("removed");
    assert!(said.contains("kafka_bootstap"), "{said}");
}
