//! What docs/OPERATIONS.md says of restored positions and of another Kafka cluster.

use std::fs;

use deed_tests::event::{Clock, id};
use deed_tests::load;
use deed_tests::process::Process;
use deed_tests::snapshot::Snapshot;
use deed_tests::stage::{DEADLINE, Line, PLACE, own_kafka, shared_postgres};
use postgres::Client;
use uuid::Uuid;

const DOCUMENTS: usize = 50;

/// Runs a statement of the page, where its group stands for another one.
fn run(client: &mut Client, statement: &str, group: &str) {
    let page = fs::read_to_string(PLACE.root.join("docs/OPERATIONS.md")).expect("the page");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(&page).contains(&words(statement)), "{statement}");
    let statement = statement.replace("'deed'", &format!("'{group}'"));
    client.batch_execute(&statement).expect(&statement);
}

const FORGET_POSITIONS: &str =
    "SELECT topic, partition, deed.reset_position(consumer_group, topic, partition)
    FROM deed.stream_position WHERE consumer_group = 'deed'";

fn wait_until_stopped(consumer: &mut Process, why: &str, partitions: usize) {
    let stopped = |log: &str| {
        let lines = log.lines().filter(|line| line.contains(why));
        (lines.filter(|line| line.contains("stopped")).count() >= partitions).then_some(())
    };
    consumer
        .wait_for_log(why, DEADLINE, stopped)
        .expect("a loud line each");
}

#[test]
fn a_restored_database_reads_again_what_came_later() {
    let line = Line::shared("restored_position", 2);
    let records = load::records(load::seed(), 2_000, DOCUMENTS);
    let (before, after) = records.split_at(1_200);
    let mut consumer = line.consumer("a");
    line.send(before);
    line.wait_until_applied();
    consumer.stop(DEADLINE).expect("stops");
    // A copy of the files, as a physical backup is one.
    let copy = "restored_position_copy";
    let statement = format!("CREATE DATABASE {copy} TEMPLATE {}", line.name);
    let mut server = line.postgres.admin("postgres").expect("connection");
    server.batch_execute(&statement).expect("a backup");

    let mut consumer = line.consumer("b");
    line.send(after);
    line.wait_until_applied();
    consumer.stop(DEADLINE).expect("stops");
    let lost = Snapshot::take(&mut line.admin());

    // Kafka's group has committed the ends of the logs; the restored positions count.
    let restored = Line {
        name: copy.to_owned(),
        topics: line.topics.clone(),
        ..line
    };
    let consumer = |name: &str| {
        let mut spec = restored.consumer_spec(name);
        spec.group = line.name.clone();
        spec.start(&PLACE).expect("consumer")
    };
    let mut client = restored.admin();
    assert!(Snapshot::take(&mut client).compare(&lost).is_err());
    let mut first = consumer("a");
    restored.wait_until_applied_by(&line.name);
    Snapshot::take(&mut client).assert_equals(&lost, "read again from the restored position");
    first.stop(DEADLINE).expect("stops");

    // A position that Kafka's log does not reach.
    let beyond = "UPDATE deed.stream_position SET next_offset = next_offset + 1000";
    client.batch_execute(beyond).expect(beyond);
    let mut second = consumer("b");
    wait_until_stopped(&mut second, "is outside the log", 2);
    run(&mut client, FORGET_POSITIONS, &line.name);
    restored.wait_until_applied_by(&line.name);
    Snapshot::take(&mut client).assert_equals(&lost, "read again from the beginning");
    second.stop(DEADLINE).expect("stops");

    // One that is to live beside its original.
    let mut name = || -> Uuid {
        let row = client.query_one("SELECT deed.outbox_id()", &[]);
        row.expect("a name").get(0)
    };
    let original = name();
    let mut owner = restored.admin();
    run(&mut owner, "DELETE FROM deed.relay;", "");
    run(
        &mut owner,
        "UPDATE deed.stream_position SET consumer_group = 'staging';",
        "",
    );
    let relay = "SELECT deed.settle('e0000000-0000-4000-8000-000000000001')";
    owner.batch_execute(relay).expect(relay);
    assert_ne!(name(), original);
}

#[test]
fn another_cluster_is_read_from_its_beginning_once_positions_are_forgotten() {
    let [old, new] = ["old", "new"].map(|name| own_kafka(&format!("cluster-{name}")));
    let line = Line::new(&old, shared_postgres(), "moved", &[("events", 2)]);
    let records = load::records(load::seed(), 600, DOCUMENTS);
    let mut consumer = line.consumer("a");
    line.send(&records);
    line.wait_until_applied();
    consumer.stop(DEADLINE).expect("stops");
    let mut client = line.admin();
    let before = Snapshot::take(&mut client);

    // A mirror has brought the older half along, and producers go on there.
    let topic = &line.topics[0];
    new.create_topic(topic, 2).expect("topic");
    new.send(topic, &records[..300]).expect("sending");
    let mut spec = line.consumer_spec("b");
    spec.kafka_bootstrap = new.bootstrap();
    let mut consumer = spec.start(&PLACE).expect("consumer");
    wait_until_stopped(&mut consumer, "was re-created", 2);
    Snapshot::take(&mut client).assert_equals(&before, "stopped");

    let operator = line
        .postgres
        .login_url("moved_operator", "deed_operator", &line.name);
    let mut operator =
        deed_tests::postgres::connect(&operator.expect("login")).expect("connection");
    run(&mut operator, FORGET_POSITIONS, &line.name);
    let moved = Line {
        kafka: &new,
        postgres: line.postgres,
        name: line.name.clone(),
        topics: line.topics.clone(),
    };
    moved.wait_until_applied();
    Snapshot::take(&mut client).assert_equals(&before, "the mirrored records again");
    let (document, anne) = (id("moved document"), id("moved anne"));
    moved.send(&[Clock::default()
        .created(document, anne, "Moved")
        .structured()]);
    moved.wait_until_applied();
    let level = "SELECT deed.effective_level($1, $2)::text";
    let row = client.query_one(level, &[&anne, &document]).expect(level);
    assert_eq!(row.get::<_, Option<&str>>(0), Some("owner"));
}
