use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use deed_tests::certificates::Authority;
use deed_tests::kafka::{Kafka, Listener, PASSWORD, Security, USER};
use deed_tests::process::{Process, wait_until};
use deed_tests::stage::{
    DEADLINE, Line, OUTBOUND, PLACE, run_folder, secured_kafka, shared_postgres,
};

use rdkafka::Message;
use rdkafka::message::OwnedMessage;

use super::documents;

type Keys = Vec<(&'static str, String)>;

/// A broker with every listener, and who signed its certificate.
static SECURE: LazyLock<(Kafka, Authority)> = LazyLock::new(|| {
    let folder: PathBuf = run_folder().join("kafka-authority");
    fs::create_dir_all(&folder).expect("a folder");
    let authority = Authority::new(&folder).expect("an authority");
    let security = Security::new(&authority, &folder).expect("certificates");
    (secured_kafka("kafka-secured", security), authority)
});

fn line(name: &str) -> Line<'static> {
    Line::new(&SECURE.0, shared_postgres(), name, &[("events", 2)])
}

fn tls() -> Keys {
    let authority = SECURE.1.certificate().display().to_string();
    vec![("ssl.ca.location", authority)]
}

fn login(protocol: &str, mechanism: &str) -> Keys {
    [
        ("security.protocol", protocol),
        ("sasl.mechanism", mechanism),
        ("sasl.username", USER),
        ("sasl.password", PASSWORD),
    ]
    .map(|(key, value)| (key, value.to_owned()))
    .to_vec()
}

fn start(line: &Line<'_>, listener: Listener, keys: Keys) -> Process {
    let mut spec = line.consumer_spec("a");
    spec.kafka_bootstrap = line.kafka.bootstrap_of(listener);
    spec.kafka = keys;
    spec.start(&PLACE).expect("consumer")
}

/// Events come in by this listener, and what follows goes out by it.
fn carries(name: &str, listener: Listener, keys: Keys) {
    let line = line(name);
    let documents = documents(name, 100);
    line.send(&documents);
    let _consumer = start(&line, listener, keys);
    line.wait_until_applied();
    let mut admin = line.admin();
    wait_until("the outbox is relayed", DEADLINE, || {
        let row = admin
            .query_one("SELECT count(*) FROM deed.outbox", &[])
            .ok()?;
        (row.get::<_, i64>(0) == 0).then_some(())
    })
    .expect("relayed");
    let of_these = |record: &OwnedMessage| {
        let mut keys = documents.iter().map(|document| document.key.as_deref());
        keys.any(|key| key == record.key())
    };
    let out = line.kafka.read(OUTBOUND).expect("read");
    let told = out.iter().filter(|record| of_these(record)).count();
    assert!(told >= 100, "{told} events out");
}

#[test]
fn scram_over_tls_carries_events_in_and_out() {
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let keys = [login("SASL_SSL", mechanism), tls()].concat();
        let name = format!("kafka_{}", mechanism.replace('-', "_").to_lowercase());
        carries(&name, Listener::SaslSsl, keys);
    }
}

#[test]
fn plain_passwords_work_with_and_without_tls() {
    let keys = [login("SASL_SSL", "PLAIN"), tls()].concat();
    carries("kafka_plain_tls", Listener::SaslSsl, keys);
    let keys = login("SASL_PLAINTEXT", "PLAIN");
    carries("kafka_plain", Listener::SaslPlaintext, keys);
}

#[test]
fn a_client_shows_its_certificate_to_the_broker() {
    let own = SECURE.1.certify("consumer", &[]).expect("certified");
    let keys = [
        ("security.protocol", "SSL".to_owned()),
        (
            "ssl.certificate.location",
            own.certificate.display().to_string(),
        ),
        ("ssl.key.location", own.key.display().to_string()),
    ];
    carries(
        "kafka_client",
        Listener::Ssl,
        [keys.to_vec(), tls()].concat(),
    );
}

/// What the consumer says of a broker that it can't use; it says it seldom, stays, and names no password.
fn refused(name: &str, listener: Listener, keys: Keys, expected: &str) {
    let line = line(name);
    line.send(&documents(name, 10));
    let mut consumer = start(&line, listener, keys);
    let lines = |log: &str| log.lines().filter(|line| line.contains(expected)).count();
    consumer
        .wait_for_log(expected, DEADLINE, |log| (lines(log) > 0).then_some(()))
        .expect("said");
    // Several more attempts.
    consumer
        .wait_for_log("it stands by", DEADLINE, |log| {
            log.contains("events wait in the outbox").then_some(())
        })
        .expect("the relay fails too");
    assert!(consumer.lives(), "it waits until that is mended");
    let log = consumer.log();
    let told = (lines(&log), log.lines().count());
    assert!(told.0 <= 4 && told.1 < 40, "{told:?} lines of log");
    assert!(!log.contains("secret"), "a password in the log");
    let mut admin = line.admin();
    let claimed = admin.query("SELECT FROM deed.stream_position", &[]);
    assert!(claimed.expect("positions").is_empty());
}

#[test]
fn a_wrong_password_is_told_and_waited_on() {
    let mut keys = [login("SASL_SSL", "SCRAM-SHA-512"), tls()].concat();
    keys[3].1 = "another secret".to_owned();
    refused(
        "kafka_password",
        Listener::SaslSsl,
        keys,
        "look at sasl.mechanism",
    );
    let mut keys = login("SASL_PLAINTEXT", "PLAIN");
    keys[3].1 = "another secret".to_owned();
    refused(
        "kafka_password_plain",
        Listener::SaslPlaintext,
        keys,
        "look at sasl.mechanism",
    );
}

#[test]
fn an_unknown_authority_is_told_and_waited_on() {
    let keys = login("SASL_SSL", "PLAIN");
    refused(
        "kafka_unknown",
        Listener::SaslSsl,
        keys,
        "look at ssl.ca.location",
    );
}

#[test]
fn a_broker_that_wants_tls_is_told() {
    refused(
        "kafka_without",
        Listener::SaslSsl,
        vec![],
        "look at kafka_bootstrap",
    );
}
