//! `deed.wait_for`: each look is a new one, and nothing keeps it longer than it may wait.

use std::thread;

use deed_tests::event::{Clock, id};
use deed_tests::owner::TOPIC;
use deed_tests::process::wait_until;
use deed_tests::stage::DEADLINE;
use postgres::Client;

use crate::ground::Ground;

/// Waits until somebody waits.
fn seen_waiting(client: &mut Client) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND state = 'active' AND wait_event = 'Extension' AND query LIKE 'SELECT deed.wait_for%'";
    wait_until("somebody waits", DEADLINE, || {
        let row = client.query_one(waiting, &[]).expect(waiting);
        (row.get::<_, i64>(0) == 1).then_some(())
    })
    .expect("waiting");
}

#[test]
fn a_commit_is_seen_by_who_waits_for_it() {
    let mut ground = Ground::new("freshness_commit");
    let mut owner = ground.owner(0);
    let mut asking = ground.session();
    let [plan, anne] = ["plan", "anne"].map(id);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            // In a transaction, whose snapshot is one a statement.
            asking.batch_execute("BEGIN").expect("begun");
            let wait = format!("SELECT deed.wait_for('{TOPIC}:0:0', '1 minute')");
            let applied: bool = asking.query_one(&wait, &[]).expect("an answer").get(0);
            let check = format!("SELECT deed.has_permission('{anne}', '{plan}', 'owner')");
            let holds: bool = asking.query_one(&check, &[]).expect("an answer").get(0);
            (applied, holds)
        });
        seen_waiting(ground.client());
        let created = Clock::default().created(plan, anne, "Plan");
        owner.apply(&[created.structured()]).expect("applied");
        assert_eq!(waiter.join().expect("a waiter"), (true, true));
    });
}

#[test]
fn a_timeout_or_a_cancellation_ends_it() {
    let mut ground = Ground::new("freshness_cancelled");
    let mut asking = ground.session();
    let wait = format!("SELECT deed.wait_for('{TOPIC}:0:0', '1 minute')");
    let limit = "SET statement_timeout = '100ms'";
    asking.batch_execute(limit).expect(limit);
    let code = |outcome: Result<(), postgres::Error>| {
        let error = outcome.expect_err("ended");
        error.code().map(|code| code.code().to_owned())
    };
    assert_eq!(code(asking.batch_execute(&wait)).as_deref(), Some("57014"));
    asking
        .batch_execute("RESET statement_timeout")
        .expect("set");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| code(asking.batch_execute(&wait)));
        seen_waiting(ground.client());
        let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        ground.client().batch_execute(cancel).expect(cancel);
        assert_eq!(waiter.join().expect("a waiter").as_deref(), Some("57014"));
    });
}
