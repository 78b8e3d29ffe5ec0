use std::net::TcpListener;

use deed_tests::postgres::Postgres;
use deed_tests::process::{Process, wait_until};
use deed_tests::stage::{DEADLINE, Line, PLACE, own_postgres, own_standby, shared_kafka};
use postgres::Client;

use super::documents;

/// Starts a consumer that knows a host that takes connections and says nothing, the standby, and the primary.
fn consumer(line: &Line<'_>, silent: &TcpListener, standby: &Postgres) -> Process {
    let port = |url: &str| -> String {
        let port = url
            .rsplit_once(':')
            .and_then(|(_, rest)| rest.split_once('/'));
        port.expect("a port").0.to_owned()
    };
    let url = line.postgres.consumer_url(&line.name);
    let primary = format!("127.0.0.1:{}", port(&url));
    let hosts = format!(
        "{},127.0.0.1:{},{primary}",
        silent.local_addr().expect("an address"),
        port(&standby.consumer_url(&line.name))
    );
    let mut spec = line.consumer_spec("a");
    spec.database_url = format!("{}?connect_timeout=1", url.replace(&primary, &hosts));
    spec.start(&PLACE).expect("consumer")
}

fn promote(standby: &Postgres) {
    let mut admin = standby.admin("postgres").expect("connection");
    admin.execute("SELECT pg_promote()", &[]).expect("promoted");
}

fn count(client: &mut Client, query: &str) -> i64 {
    client.query_one(query, &[]).expect(query).get(0)
}

fn failed_over(name: &str, before_the_fall: impl FnOnce(&Line<'_>, &Postgres)) {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let primary = own_postgres(&format!("{name}-primary"), false);
    let line = Line::new(shared_kafka(), &primary, name, &[("events", 2)]);
    let standby = own_standby(&format!("{name}-standby"), &primary);
    let mut consumer = consumer(&line, &silent, &standby);
    line.send(&documents(&format!("{name} before"), 100));
    line.wait_until_applied();
    primary.wait_until_replayed_by(&standby).expect("replayed");
    before_the_fall(&line, &standby);
    primary.kill();
    line.send(&documents(&format!("{name} meanwhile"), 100));
    promote(&standby);
    let heir = Line {
        kafka: line.kafka,
        postgres: &standby,
        name: line.name.clone(),
        topics: line.topics.clone(),
    };
    heir.wait_until_applied();
    heir.send(&documents(&format!("{name} after"), 100));
    heir.wait_until_applied();
    let documents = count(&mut heir.admin(), "SELECT count(*) FROM deed.document");
    let sent: i64 = line.kafka.ends(&line.topics[0]).expect("ends").iter().sum();
    assert_eq!(documents, sent, "each record is a document of its own");
    assert!(consumer.lives());
}

#[test]
fn the_consumer_goes_on_with_a_promoted_standby() {
    failed_over("failover", |_, _| {});
}

/// The position is part of what the primary took with it, so nothing is missing.
#[test]
fn what_a_standby_never_got_is_applied_to_it_again() {
    failed_over("failover_behind", |line, standby| {
        let mut cut_off = standby.admin("postgres").expect("connection");
        for statement in [
            "ALTER SYSTEM SET primary_conninfo = ''",
            "SELECT pg_reload_conf()",
        ] {
            cut_off.batch_execute(statement).expect(statement);
        }
        wait_until("the standby is cut off", DEADLINE, || {
            let receivers = count(&mut cut_off, "SELECT count(*) FROM pg_stat_wal_receiver");
            (receivers == 0).then_some(())
        })
        .expect("cut off");
        line.send(&documents("failover_behind lost", 100));
        line.wait_until_applied();
        let mut left = standby.admin(&line.name).expect("connection");
        let documents = count(&mut left, "SELECT count(*) FROM deed.document");
        assert_eq!(documents, 100, "the standby has nothing of these");
    });
}

/// No host takes writes: the consumer waits, and goes on when one does.
#[test]
fn a_standby_as_the_only_host_is_waited_for() {
    let primary = own_postgres("lonely-primary", false);
    let line = Line::new(shared_kafka(), &primary, "lonely", &[("events", 1)]);
    let standby = own_standby("lonely-standby", &primary);
    primary.wait_until_replayed_by(&standby).expect("replayed");
    let mut spec = line.consumer_spec("a");
    spec.database_url = standby.consumer_url("lonely");
    let mut consumer = spec.start(&PLACE).expect("consumer");
    line.send(&documents("lonely", 10));
    consumer
        .wait_for_log("it says so", DEADLINE, |log| {
            log.contains("25006").then_some(())
        })
        .expect("said");
    promote(&standby);
    let heir = Line {
        kafka: line.kafka,
        postgres: &standby,
        name: line.name.clone(),
        topics: line.topics.clone(),
    };
    heir.wait_until_applied();
    assert!(consumer.lives());
}
