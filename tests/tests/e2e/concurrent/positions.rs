//! A consumer's calls as this version makes them, against an operator's and another group's.

use std::thread;

use deed_tests::owner::topic_id;
use deed_tests::process::wait_until;
use deed_tests::stage::DEADLINE;
use postgres::Client;

use crate::ground::Ground;

/// The epoch.
fn claim(client: &mut Client, group: &str) -> i64 {
    let claim = format!(
        "SELECT epoch FROM deed.claim('{group}', 'events', 0, '{}', 'an owner')",
        topic_id()
    );
    client.query_one(&claim, &[]).expect("claimed").get(0)
}

/// A batch of one record that can't be read.
fn batch(group: &str, epoch: i64, continues_from: &str, offset: i64) -> String {
    format!(
        "SELECT FROM deed.apply_batch('{group}', 'events', 0, {epoch}, {continues_from}, {offset} + 1, '{{{offset}}}', \
         '{{-1}}', ARRAY[NULL::bytea], '{{0}}', '{{}}', '{{}}', ARRAY['x'::bytea], true, 'dead', NULL)"
    )
}

fn wait_until_waiting(client: &mut Client, session: i32) {
    wait_until("the other one waits", DEADLINE, || {
        let query = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)";
        let row = client.query_one(query, &[&session]).expect(query);
        row.get::<_, bool>(0).then_some(())
    })
    .expect("waits");
}

fn session_of(client: &mut Client) -> i32 {
    let row = client.query_one("SELECT pg_backend_pid()", &[]);
    row.expect("a session").get(0)
}

#[test]
fn a_reset_comes_behind_the_batch_under_way_and_fences_the_next() {
    let mut ground = Ground::new("concurrent_reset");
    let (mut owner, mut operator) = (ground.session(), ground.session());
    let epoch = claim(&mut owner, "group");
    owner.batch_execute("BEGIN").expect("begun");
    owner
        .batch_execute(&batch("group", epoch, "NULL", 0))
        .expect("applied");
    let session = session_of(&mut operator);
    let reset: bool = thread::scope(|scope| {
        let resetting = scope.spawn(|| {
            let reset = "SELECT deed.reset_position('group', 'events', 0, 7)";
            operator.query_one(reset, &[]).expect(reset).get(0)
        });
        wait_until_waiting(ground.client(), session);
        owner.batch_execute("COMMIT").expect("committed");
        resetting.join().expect("reset")
    });
    assert!(reset, "there is such a position");
    let state = "SELECT next_offset, epoch, (SELECT count(*) FROM deed.dead_letter) FROM deed.stream_position";
    let row = ground.client().query_one(state, &[]).expect(state);
    let state: (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(state, (7, epoch + 1, 1), "the batch came before");
    let fenced = owner
        .batch_execute(&batch("group", epoch, "1", 1))
        .expect_err("an earlier owner");
    assert_eq!(fenced.code().map(|code| code.code()), Some("PD010"));
    let stop = format!("SELECT deed.stop_partition('group', 'events', 0, {epoch}, 'why')");
    let is_noted: bool = owner.query_one(&stop, &[]).expect("asked").get(0);
    assert!(!is_noted, "an earlier owner");
}

#[test]
fn two_groups_that_quarantine_one_record_write_one_dead_letter() {
    let mut ground = Ground::new("concurrent_letters");
    let (mut first, mut second) = (ground.session(), ground.session());
    let epochs = [claim(&mut first, "one"), claim(&mut second, "other")];
    first.batch_execute("BEGIN").expect("begun");
    first
        .batch_execute(&batch("one", epochs[0], "NULL", 0))
        .expect("applied");
    let session = session_of(&mut second);
    thread::scope(|scope| {
        let other = scope.spawn(|| second.batch_execute(&batch("other", epochs[1], "NULL", 0)));
        wait_until_waiting(ground.client(), session);
        first.batch_execute("COMMIT").expect("committed");
        other.join().expect("the other").expect("applied");
    });
    let count = "SELECT (SELECT count(*) FROM deed.quarantine) + 10 * (SELECT count(*) FROM deed.dead_letter) \
                 + 100 * (SELECT count(*) FROM deed.stream_position WHERE next_offset = 1)";
    let count: i64 = ground
        .client()
        .query_one(count, &[])
        .expect("counted")
        .get(0);
    assert_eq!(count, 211);
}
