//! Indexes, and the extension itself, are replaced while sessions ask that have found them before.

use std::thread;

use deed_tests::event::{Clock, Event, id};
use deed_tests::owner::Owner;
use deed_tests::process::wait_until;
use deed_tests::stage::DEADLINE;
use postgres::Client;
use serde_json::json;
use uuid::Uuid;

use super::{Scene, TABLES, WRONG, WRONGLY_LISTED, code, one, run, some};
use crate::ground::Ground;
use crate::meanwhile::Meanwhile;

/// Every index of these tables, in the order in which they were made.
fn indexes(client: &mut Client) -> Vec<String> {
    let query = "SELECT indexrelid::regclass::text FROM pg_index
        WHERE indrelid = ANY (SELECT ('deed.' || t)::regclass FROM unnest($1::text[]) AS t)
        ORDER BY indexrelid";
    let rows = client.query(query, &[&&TABLES[..]]).expect(query);
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_rebuilt_index_answers_the_same() {
    let mut scene = Scene::new("rebuilds_plain");
    let mut other = scene.session();
    let mut right = |client: &mut Client, what: &str| {
        for session in [client, &mut other] {
            assert_eq!(one::<i64>(session, &some(WRONG, 7)), 0, "{what}");
        }
    };
    for index in indexes(scene.client()) {
        run(scene.client(), &format!("REINDEX INDEX {index}"));
        right(scene.client(), &index);
    }
    for table in TABLES {
        run(scene.client(), &format!("REINDEX TABLE deed.{table}"));
        right(scene.client(), table);
        // A table that is rewritten has all of them new.
        run(scene.client(), &format!("VACUUM FULL deed.{table}"));
        right(scene.client(), table);
    }
    // In one transaction with the checks, and taken back.
    run(scene.client(), "BEGIN; REINDEX TABLE deed.permission");
    assert_eq!(one::<i64>(scene.client(), WRONG), 0);
    run(scene.client(), "ROLLBACK");
    right(scene.client(), "taken back");
}

/// Three sessions ask all the while, and a fourth changes what it then asks about: an index that is no
/// longer kept would not know.
#[test]
fn rebuilding_concurrently_never_disturbs_who_asks() {
    let mut scene = Scene::new("rebuilds_concurrent");
    let indexes = indexes(scene.client());
    let mut sessions: Vec<Client> = (0..3).map(|_| scene.session()).collect();
    let mut rebuilding = scene.session();
    let owner = &mut scene.owner;
    let (meanwhile, telling) = (Meanwhile::default(), Meanwhile::default());
    thread::scope(|scope| {
        for (n, session) in sessions.iter_mut().enumerate() {
            let meanwhile = &meanwhile;
            scope.spawn(move || {
                let questions = [some(WRONG, 7), some(WRONG, 11), WRONGLY_LISTED.to_owned()];
                meanwhile.ask(|| assert_eq!(one::<i64>(session, &questions[n]), 0));
            });
        }
        scope.spawn(|| {
            let mut clock = Clock::default();
            telling.ask(|| tell_and_ask(owner, &mut clock));
        });
        let _ends = telling.ends();
        meanwhile.work(3, 20, || {
            for index in &indexes {
                let rebuild = format!("REINDEX INDEX CONCURRENTLY {index}");
                run(&mut rebuilding, &rebuild);
            }
        });
    });
    let (asked, told) = (meanwhile.asked(), telling.asked());
    println!(
        "{} indexes rebuilt thrice; asked {asked} times and told {told} times meanwhile",
        indexes.len()
    );
    assert!(told > 1);
}

/// Each event changes the answer, or leaves it, for certain.
fn tell_and_ask(owner: &mut Owner, clock: &mut Clock) {
    let [plan, anne, bob, team] = ["told plan", "told anne", "told bob", "told team"].map(id);
    let check = format!(
        "SELECT deed.has_permission('{bob}', '{plan}', 'viewer')
           AND EXISTS (SELECT FROM deed.list_documents('{bob}', page_size => 1000)
             WHERE document_id = '{plan}')"
    );
    for (event, expected) in [
        (clock.created(plan, anne, "Plan"), false),
        (clock.granted(plan, team, "viewer", anne), false),
        (clock.member_added(team, bob), true),
        (clock.deleted(plan, anne), false),
        (clock.restored(plan, anne), true),
        (clock.removed(team), false),
        (clock.principal_restored(team), true),
        (clock.member_removed(team, bob), false),
        (clock.revoked(plan, team, anne), false),
        (clock.granted(plan, bob, "editor", anne), true),
        (clock.revoked(plan, bob, anne), false),
    ] {
        owner.apply(&[event.structured()]).expect("applied");
        let answer: bool = one(owner.client(), &check);
        assert_eq!(answer, expected, "behind {event:?}");
    }
}

/// A plan of Anne's that is granted to all users, of whom Bob is one.
fn for_users(clock: &mut Clock, plan: Uuid) -> [Event; 3] {
    let [anne, bob] = ["anne", "bob"].map(id);
    let mut granted = clock.granted(plan, bob, "viewer", anne);
    granted.data["recipient"] = json!("users");
    [
        clock.created(plan, anne, "Plan"),
        clock.registered(bob, "user", "Bob"),
        granted,
    ]
}

/// The planner locks all of a table's indexes at once, in the order of their ids, as REINDEX TABLE does:
/// whoever locked one now and another later would meet it in a deadlock.
#[test]
fn rebuilding_a_table_meets_no_check_in_a_deadlock() {
    let mut ground = Ground::new("rebuilds_tables");
    let clock = &mut Clock::default();
    let [plan, anne, bob] = ["plan", "anne", "bob"].map(id);
    let records = for_users(clock, plan).map(|event| event.structured());
    ground.owner(0).apply(&records).expect("applied");
    let check = |who| format!("SELECT deed.has_permission('{who}', '{plan}', 'viewer')");
    let list = format!("SELECT EXISTS (SELECT FROM deed.list_documents('{anne}', sort => 'id'))");
    let (mut asking, mut rebuilding) = (ground.session(), ground.session());
    let session: i32 = one(&mut rebuilding, "SELECT pg_backend_pid()");
    for question in [&list, &check(anne), &check(bob)] {
        assert!(one::<bool>(&mut asking, question));
    }
    // The second question of each reads an index of the table that the first one left alone.
    for (table, first, second) in [
        ("principal", check(anne), check(bob)),
        ("permission", list, check(anne)),
    ] {
        run(&mut asking, "BEGIN");
        assert!(one::<bool>(&mut asking, &first));
        thread::scope(|scope| {
            let rebuilt = scope.spawn(|| {
                let rebuild = format!("REINDEX TABLE deed.{table}");
                code(rebuilding.batch_execute(&rebuild))
            });
            wait_until("it waits for who asks", DEADLINE, || {
                let waits = format!(
                    "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = {session} AND NOT granted)"
                );
                one::<bool>(ground.client(), &waits).then_some(())
            })
            .expect("waits");
            let asked = code(asking.batch_execute(&second));
            run(&mut asking, "ROLLBACK");
            let rebuilt = rebuilt.join().expect("rebuilt");
            assert_eq!([asked, rebuilt], ["00000", "00000"], "{table}: {second}");
        });
        assert!(one::<bool>(&mut asking, &second));
    }
}

#[test]
fn a_new_extension_is_found_by_sessions_that_knew_the_old_one() {
    let mut ground = Ground::new("rebuilds_extension");
    let mut other = ground.session();
    let [plan, anne] = ["plan", "anne"].map(id);
    let event = Clock::default().created(plan, anne, "Plan").envelope();
    let tell = format!("SELECT deed.apply('{event}')");
    let check = format!("SELECT deed.has_permission('{anne}', '{plan}', 'owner')");
    let many =
        format!("SELECT allowed FROM deed.check_many('{anne}', ARRAY['{plan}'::uuid], 'owner')");
    let list = format!("SELECT EXISTS (SELECT FROM deed.list_documents('{anne}', 'owner'))");
    for round in 0..3 {
        run(ground.client(), &tell);
        for question in [&check, &many, &list] {
            assert!(
                one::<bool>(ground.client(), question),
                "{round}: {question}"
            );
            assert!(one::<bool>(&mut other, question), "{round}: {question}");
        }
        run(ground.client(), "DROP EXTENSION deed CASCADE");
        assert_eq!(code(other.batch_execute(&check)), "42883", "{round}");
        run(ground.client(), "CREATE EXTENSION deed");
        for question in [&check, &many, &list] {
            assert!(
                !one::<bool>(ground.client(), question),
                "{round}: {question}"
            );
            assert!(!one::<bool>(&mut other, question), "{round}: {question}");
        }
    }
    // And within one transaction.
    run(
        ground.client(),
        &format!("BEGIN; {tell}; {check}; DROP EXTENSION deed CASCADE; CREATE EXTENSION deed"),
    );
    assert!(!one::<bool>(ground.client(), &check));
    run(ground.client(), &tell);
    assert!(one::<bool>(ground.client(), &check));
    run(ground.client(), "ROLLBACK");
    assert!(!one::<bool>(ground.client(), &check));
}

/// Postgres quotes every name for sessions that ask it to, in the definitions of indexes too.
#[test]
fn indexes_are_known_by_quoted_names_too() {
    let scene = Scene::new("rebuilds_quoted");
    let mut session = scene.session();
    run(&mut session, "SET quote_all_identifiers = on");
    assert_eq!(one::<i64>(&mut session, &some(WRONG, 7)), 0);
}

/// An index that was made over rows which had just been changed in place lacks what older snapshots see.
/// A session that has read it may not do so for such a snapshot.
#[test]
fn an_index_is_not_read_by_a_snapshot_older_than_it() {
    let mut ground = Ground::new("rebuilds_too_new");
    let clock = &mut Clock::default();
    let [plan, anne] = ["plan", "anne"].map(id);
    let events = [clock.created(plan, anne, "Plan"), clock.deleted(plan, anne)];
    let records = events.map(|event| event.structured());
    ground.owner(0).apply(&records).expect("applied");
    let check = format!("SELECT deed.has_permission('{anne}', '{plan}', 'viewer')");
    let mut older = ground.session();
    run(&mut older, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    let snapshot: String = one(&mut older, "SELECT pg_export_snapshot()");
    let definition: String = one(
        ground.client(),
        "SELECT pg_get_indexdef('deed.document_not_live'::regclass)",
    );
    run(
        ground.client(),
        &format!(
            "BEGIN; DROP INDEX deed.document_not_live;
             UPDATE deed.document SET deleted_at = NULL; {definition}; COMMIT"
        ),
    );
    let mut asking = ground.session();
    until_it_is_old_enough(&mut asking, &check);
    run(
        &mut asking,
        &format!("BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{snapshot}'"),
    );
    let deleted = "SELECT deleted_at IS NOT NULL FROM deed.document";
    assert!(one::<bool>(&mut asking, deleted), "by the older one");
    let refused = asking.query_one(&check, &[]).expect_err("too new");
    let refused = refused.as_db_error().expect("refused by Postgres");
    assert_eq!(refused.code().code(), "PD020");
    assert!(refused.message().contains("too new"), "{refused}");
    run(&mut asking, "ROLLBACK");
    run(&mut older, "ROLLBACK");
    until_it_is_old_enough(&mut asking, &check);
}

/// Whatever ran in the cluster when the index was made, in other databases too, has to be over.
fn until_it_is_old_enough(client: &mut Client, check: &str) {
    let what = "the check answers by a snapshot of now";
    let answered = wait_until(what, DEADLINE, || {
        let row = client.query_one(check, &[]).ok()?;
        row.get::<_, bool>(0).then_some(())
    });
    answered.expect(what);
}

/// The same for an index that is not the first one read of its table.
#[test]
fn no_index_of_a_table_is_read_by_a_snapshot_older_than_it() {
    let mut ground = Ground::new("rebuilds_too_new_second");
    let clock = &mut Clock::default();
    let [plan, bob] = ["plan", "bob"].map(id);
    let mut records: Vec<_> = for_users(clock, plan)
        .map(|event| event.structured())
        .into();
    records.push(clock.removed(bob).structured());
    ground.owner(0).apply(&records).expect("applied");
    // Whether Bob is a user is asked of one index of principals, whether he is removed of another.
    let check = format!("SELECT deed.has_permission('{bob}', '{plan}', 'viewer')");
    let mut older = ground.session();
    // A snapshot, and no lock of the table, for which the new index would wait.
    run(
        &mut older,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1",
    );
    let removed = format!("SELECT removed_at IS NOT NULL FROM deed.principal WHERE id = '{bob}'");
    let definition: String = one(
        ground.client(),
        "SELECT pg_get_indexdef('deed.principal_removed'::regclass)",
    );
    run(
        ground.client(),
        &format!(
            "BEGIN; DROP INDEX deed.principal_removed;
             UPDATE deed.principal SET removed_at = NULL; {definition}; COMMIT"
        ),
    );
    until_it_is_old_enough(ground.client(), &check);
    assert!(one::<bool>(&mut older, &removed), "by the older one");
    assert_eq!(code(older.batch_execute(&check)), "PD020");
}
