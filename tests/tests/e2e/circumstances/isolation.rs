//! What each isolation level sees: what the query around it sees.

use std::thread;

use deed_tests::event::{Clock, id};
use deed_tests::process::wait_until;
use deed_tests::stage::DEADLINE;
use postgres::Client;

use super::{one, run};
use crate::ground::Ground;

/// Every answer about Bob and the plan, as one line.
fn ask(client: &mut Client) -> String {
    let (bob, plan) = (id("bob"), id("plan"));
    let rows = |list: &str, id| format!("(SELECT count(*) FROM {list} WHERE {id})");
    let query = format!(
        "SELECT concat_ws(' ', deed.has_permission('{bob}', '{plan}', 'viewer'),
           deed.effective_level('{bob}', '{plan}') IS NOT NULL, {}, {}, {}, {})",
        rows(&format!("deed.list_documents('{bob}')"), "true"),
        rows(
            &format!("deed.list_documents('{bob}', sort => 'id')"),
            "true"
        ),
        rows(
            &format!("deed.list_principals('{plan}')"),
            &format!("principal_id = '{bob}'")
        ),
        rows(
            &format!("deed.check_many('{bob}', ARRAY['{plan}'::uuid], 'viewer')"),
            "allowed"
        ),
    );
    one(client, &query)
}

const YES: &str = "t t 1 1 1 1";
const NO: &str = "f f 0 0 0 0";

#[test]
fn a_transaction_sees_what_its_level_promises() {
    let ground = Ground::new("isolation_levels");
    let mut owner = ground.owner(0);
    let mut asking = ground.session();
    let mut clock = Clock::default();
    let [plan, anne, bob, team, firm] = ["plan", "anne", "bob", "team", "firm"].map(id);
    let before = [
        clock.created(plan, anne, "Plan"),
        clock.granted(plan, firm, "viewer", anne),
        clock.member_added(firm, team),
    ];
    owner
        .apply(&before.map(|event| event.structured()))
        .expect("applied");
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let changes = [
            (clock.granted(plan, bob, "viewer", anne), YES),
            (clock.deleted(plan, anne), NO),
            (clock.restored(plan, anne), YES),
            (clock.revoked(plan, bob, anne), NO),
            (clock.member_added(team, bob), YES),
            (clock.removed(team), NO),
            (clock.principal_restored(team), YES),
            (clock.member_removed(firm, team), NO),
            (clock.member_added(firm, team), YES),
            (clock.removed(bob), NO),
            (clock.principal_restored(bob), YES),
            (clock.member_removed(team, bob), NO),
        ];
        let mut is = NO;
        for (event, becomes) in changes {
            run(&mut asking, &format!("BEGIN ISOLATION LEVEL {level}"));
            assert_eq!(ask(&mut asking), is, "{level}: before {event:?}");
            owner.apply(&[event.structured()]).expect("applied");
            let within = match level {
                "READ COMMITTED" => becomes,
                _ => is,
            };
            assert_eq!(ask(&mut asking), within, "{level}: {event:?}");
            run(&mut asking, "COMMIT");
            assert_eq!(ask(&mut asking), becomes, "after {level}: {event:?}");
            is = becomes;
        }
    }
}

/// Both before and behind a wait in the middle of one statement, as a table in it is read.
#[test]
fn a_check_sees_what_its_statement_sees() {
    let mut ground = Ground::new("isolation_statement");
    let mut owner = ground.owner(0);
    let mut clock = Clock::default();
    let [plan, anne, bob] = ["plan", "anne", "bob"].map(id);
    let before = [
        clock.created(plan, anne, "Plan"),
        clock.granted(plan, bob, "viewer", anne),
    ];
    owner
        .apply(&before.map(|event| event.structured()))
        .expect("applied");
    let check = format!("deed.has_permission('{bob}', '{plan}', 'viewer')");
    let table =
        format!("(SELECT level IS NOT NULL FROM deed.permission WHERE recipient_id = '{bob}')");
    let list = format!("EXISTS (SELECT FROM deed.list_documents('{bob}'))");
    let question = format!(
        "SELECT concat_ws(' ', {check}, pg_advisory_lock(1), {check}, {table}, {list}),
           pg_advisory_unlock(1)"
    );
    let mut asking = ground.session();
    let session: i32 = one(&mut asking, "SELECT pg_backend_pid()");
    run(ground.client(), "SELECT pg_advisory_lock(1)");
    let answer = thread::scope(|scope| {
        let answer = scope.spawn(|| one::<String>(&mut asking, &question));
        wait_until("the statement waits in its middle", DEADLINE, || {
            let waits = format!(
                "SELECT EXISTS (SELECT FROM pg_locks
                 WHERE pid = {session} AND locktype = 'advisory' AND NOT granted)"
            );
            one::<bool>(ground.client(), &waits).then_some(())
        })
        .expect("waits");
        owner
            .apply(&[clock.revoked(plan, bob, anne).structured()])
            .expect("applied");
        run(ground.client(), "SELECT pg_advisory_unlock(1)");
        answer.join().expect("the statement")
    });
    assert_eq!(answer, "t  t t t");
    assert!(!one::<bool>(ground.client(), &format!("SELECT {check}")));
}

/// What the transaction has written itself, also what it has taken back since.
#[test]
fn a_check_sees_its_own_transactions_writes() {
    let mut ground = Ground::new("isolation_own");
    let [plan, anne, bob] = ["plan", "anne", "bob"].map(id);
    let mut clock = Clock::default();
    let created = clock.created(plan, anne, "Plan").structured();
    ground.owner(0).apply(&[created]).expect("applied");
    let granted = clock.granted(plan, bob, "viewer", anne).envelope();
    let client = ground.client();
    run(client, "BEGIN");
    assert_eq!(ask(client), NO);
    run(
        client,
        &format!("SAVEPOINT a; SELECT deed.apply('{granted}')"),
    );
    assert_eq!(ask(client), YES);
    run(client, "ROLLBACK TO a");
    assert_eq!(ask(client), NO);
    run(client, "COMMIT");
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        run(client, &format!("BEGIN ISOLATION LEVEL {level}"));
        assert_eq!(ask(client), NO);
        // As the tables' owner, for events are not applied here.
        let written = format!(
            "INSERT INTO deed.permission (document_id, recipient_id, version, level, granted_at, expired)
               VALUES ('{plan}', '{bob}', '\\x00', 'viewer', now(), false);
             INSERT INTO deed.listing SELECT '{bob}', 'viewer', last_modified, id
               FROM deed.document WHERE id = '{plan}'"
        );
        run(client, &written);
        assert_eq!(ask(client), YES, "{level}");
        run(client, "ROLLBACK");
        assert_eq!(ask(client), NO);
    }
}
