//! An index that is replaced while a session looks for it.

use std::thread;

use deed_tests::event::{Clock, id};
use deed_tests::process::wait_until;
use deed_tests::stage::DEADLINE;
use postgres::Client;

use crate::ground::Ground;

fn yes(client: &mut Client, query: &str) -> bool {
    client.query_one(query, &[]).expect(query).get(0)
}

fn session(client: &mut Client) -> i32 {
    let query = "SELECT pg_backend_pid()";
    client.query_one(query, &[]).expect(query).get(0)
}

/// REINDEX CONCURRENTLY puts the new index in the old one's place, waits for those who may still
/// read the old one, and then no longer maintains it. A session that found the old one just before
/// the exchange, and waited for something else since, must not go on with it.
#[test]
fn an_index_that_is_replaced_while_it_is_looked_for_is_found_again() {
    let mut ground = Ground::new("reindex");
    let mut owner = ground.owner(0);
    let mut clock = Clock::default();
    let (plan, anne) = (id("reindex plan"), id("reindex anne"));
    owner
        .apply(&[clock.created(plan, anne, "Plan").structured()])
        .expect("applied");
    let check = format!("SELECT deed.has_permission('{anne}', '{plan}', 'viewer')");
    let place = "SELECT 'deed.document_not_live'::regclass::oid";
    let old: u32 = ground.client().query_one(place, &[]).expect(place).get(0);

    let [
        mut reader,
        mut closure,
        mut holder,
        mut reindexer,
        mut asker,
    ] = std::array::from_fn(|_| ground.session());
    let (reindexing, asking) = (session(&mut reindexer), session(&mut asker));
    let mut until = |what: &str, condition: &str| {
        wait_until(what, DEADLINE, || {
            yes(ground.client(), condition).then_some(())
        })
        .expect(what);
    };
    reader
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        .expect("a snapshot");
    closure
        .batch_execute("BEGIN; LOCK TABLE deed.closure IN ACCESS EXCLUSIVE MODE")
        .expect("locked");
    holder
        .batch_execute("BEGIN; LOCK TABLE deed.document IN ACCESS SHARE MODE")
        .expect("locked");
    thread::scope(|scope| {
        let reindex = scope.spawn(|| {
            reindexer
                .batch_execute("REINDEX INDEX CONCURRENTLY deed.document_not_live")
                .expect("reindexed");
        });
        until(
            "the new index waits for the snapshot",
            &format!(
                "SELECT EXISTS (SELECT FROM pg_locks
                 WHERE pid = {reindexing} AND locktype = 'virtualxid' AND NOT granted)"
            ),
        );
        let first = scope.spawn(|| {
            asker.batch_execute("BEGIN").expect("begun");
            let answer = yes(&mut asker, &check);
            (asker, answer)
        });
        until(
            "the check has found the old index and waits for the closure",
            &format!(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = {asking}
                 AND relation = 'deed.closure'::regclass AND NOT granted)"
            ),
        );
        reader.batch_execute("COMMIT").expect("committed");
        until(
            "the indexes are exchanged",
            &format!("SELECT 'deed.document_not_live'::regclass::oid <> {old}"),
        );
        closure.batch_execute("COMMIT").expect("committed");
        let (mut asker, answer) = first.join().expect("the check");
        assert!(answer);
        asker.batch_execute("COMMIT; BEGIN").expect("begun");
        assert!(yes(&mut asker, &check));
        holder.batch_execute("COMMIT").expect("committed");
        until(
            "the old index is no longer maintained",
            &format!(
                "SELECT NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = {old} AND indislive)"
            ),
        );
        owner
            .apply(&[clock.deleted(plan, anne).structured()])
            .expect("applied");
        assert!(!yes(&mut asker, &check), "the document is deleted");
        asker.batch_execute("COMMIT").expect("committed");
        reindex.join().expect("reindexed");
    });
}
