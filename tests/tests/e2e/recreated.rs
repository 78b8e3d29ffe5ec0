//! A topic that is deleted and made again.

use deed_tests::consumer::positions;
use deed_tests::event::{Clock, id};
use deed_tests::process::wait_until;
use deed_tests::stage::{DEADLINE, Line, PLACE, shared_kafka, shared_postgres};

#[test]
fn a_recreated_topic_stops_its_partitions_loudly_and_others_go_on() {
    let topics = [("remade", 2), ("steady", 1)];
    let line = Line::new(shared_kafka(), shared_postgres(), "recreated", &topics);
    let mut consumer = line.consumer("a");
    let [remade, steady] = [&line.topics[0], &line.topics[1]];
    let anne = id("recreated anne");
    let mut clock = Clock::default();
    let mut records = |name: &str, count: usize| {
        let document = |n| id(&format!("recreated {name} {n}"));
        let event = |n| clock.created(document(n), anne, name).structured();
        (0..count).map(event).collect::<Vec<_>>()
    };
    line.kafka
        .send(remade, &records("before", 20))
        .expect("sending");
    line.wait_until_applied();
    let mut client = line.admin();
    let before = positions(&mut client, &line.name, remade);

    line.kafka.delete_topic(remade).expect("deleted");
    wait_until("the topic is gone", DEADLINE, || {
        (!line.kafka.has_topic(remade).ok()?).then_some(())
    })
    .expect("gone");
    line.kafka.create_topic(remade, 2).expect("made again");
    // More than before: the stored offsets lie inside the new log, where librdkafka tells nothing.
    let mut after = records("after", 90);
    let later = after.split_off(60);
    line.kafka.send(remade, &after).expect("sending");
    let told = |log: &str| {
        let errors = log.lines().filter(|line| line.contains("ERROR"));
        let stopped = errors.filter(|line| line.contains(remade.as_str())).count();
        (stopped >= 2).then_some(())
    };
    consumer
        .wait_for_log("it says that both partitions stop", DEADLINE, told)
        .expect("a loud line each");
    assert_eq!(positions(&mut client, &line.name, remade), before);

    line.kafka.send(remade, &later).expect("sending");
    line.kafka
        .send(steady, &records("steady", 20))
        .expect("sending");
    wait_until("the other topic goes on", DEADLINE, || {
        (positions(&mut client, &line.name, steady)? == [20]).then_some(())
    })
    .expect("goes on");
    assert_eq!(positions(&mut client, &line.name, remade), before);
    assert!(consumer.lives());

    // A restart does not make it right either.
    consumer.stop(DEADLINE).expect("stops");
    let mut restarted = line.consumer("b");
    restarted
        .wait_for_log("it says so again", DEADLINE, told)
        .expect("a loud line each");
    assert_eq!(positions(&mut client, &line.name, remade), before);

    // The operator's way on: forget the position; the partition's owner starts at the log's beginning.
    let spec = line.consumer_spec("operator");
    for partition in ["0", "1"] {
        let arguments = ["reset", "--topic", remade, "--partition", partition];
        let reset = spec.ask(&PLACE, &arguments).expect("runs");
        assert_eq!(reset.code, Some(0), "{reset:?}");
    }
    line.wait_until_applied();
    assert!(restarted.lives(), "it goes on by itself");
    let all: i64 = client
        .query_one(
            "SELECT count(*) FROM deed.document WHERE title = 'after'",
            &[],
        )
        .expect("documents")
        .get(0);
    assert_eq!(all, 90);
}
