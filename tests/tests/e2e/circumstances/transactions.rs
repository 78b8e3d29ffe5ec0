//! Subtransactions and prepared transactions: answers stay right, and what a check has locked
//! stays locked as long as its transaction relies on it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use deed_tests::event::{Clock, id};
use deed_tests::postgres::Postgres;
use deed_tests::process::wait_until;
use deed_tests::stage::{DEADLINE, own_postgres, shared_postgres};
use postgres::Client;

use super::{Scene, WRONG, WRONGLY_LISTED, code, one, run};

/// Bob holds what he holds through one group and another above it: the way reads everything.
const CHECK: &str = "SELECT deed.has_permission(BOB, PLAN, 'viewer')";
const LIST: &str = "SELECT count(*) FROM deed.list_documents(BOB)";
const MANY: &str = "SELECT allowed FROM deed.check_many(BOB, ARRAY[PLAN], 'viewer')";

/// A scene with Bob and the plan, and the three questions about them.
fn scene(postgres: &'static Postgres, name: &'static str) -> (Scene, [String; 3]) {
    let mut scene = Scene::on(postgres, name);
    let clock = &mut Clock::default();
    let [plan, anne, bob, team, firm] = ["a plan", "anne", "bob", "team", "firm"].map(id);
    scene.tell(&[
        clock.created(plan, anne, "Plan"),
        clock.member_added(firm, team),
        clock.member_added(team, bob),
        clock.granted(plan, firm, "viewer", anne),
    ]);
    let ids = |text: &str| {
        let text = text.replace("PLAN", &format!("'{plan}'::uuid"));
        text.replace("BOB", &format!("'{bob}'"))
    };
    (scene, [CHECK, LIST, MANY].map(ids))
}

/// The tables and indexes of the extension that a session holds locks on.
fn locked(observer: &mut Client, session: i32) -> BTreeSet<String> {
    let query = "SELECT relation::regclass::text FROM pg_locks
        JOIN pg_class AS c ON c.oid = relation
        WHERE pid = $1 AND granted AND c.relnamespace = 'deed'::regnamespace AND c.relkind IN ('r', 'i')";
    let rows = observer.query(query, &[&session]).expect(query);
    let names = rows.iter().map(|row| row.get(0));
    names.filter(|name| name != ONLY_PLANNED).collect()
}

/// A list joins its page with `deed.document` by a plan that is kept: only when it is planned does Postgres lock
/// this index for it too, which is again at any time that Postgres chooses. That nobody takes it away from a check is
/// asked as such.
const ONLY_PLANNED: &str = "deed.document_not_live";

/// What would take an index away from under a transaction that relies on it.
const TAKES_AWAY: [&str; 4] = [
    "DROP INDEX deed.document_not_live",
    "REINDEX INDEX deed.closure_pkey",
    "DROP INDEX deed.membership_by_member",
    "ALTER TABLE deed.principal ADD COLUMN other integer",
];

fn assert_safe(other: &mut Client, what: &str) {
    for statement in TAKES_AWAY {
        // Both of it are one transaction, whatever comes of it.
        let tried = other.batch_execute(&format!("SET LOCAL lock_timeout = '20ms'; {statement}"));
        assert_eq!(code(tried), "55P03", "{what}: {statement}");
    }
}

#[test]
fn locks_outlive_the_subtransaction_that_a_check_came_first_in() {
    let (mut scene, questions) = scene(shared_postgres(), "transactions_locks");
    let mut client = scene.session();
    let mut other = scene.session();
    let session: i32 = one(&mut client, "SELECT pg_backend_pid()");
    // What a session looks for once, it looks for now.
    run(&mut client, &questions.join(";"));
    for ask in &questions {
        run(&mut client, &format!("BEGIN; {ask}"));
        let expected = locked(scene.client(), session);
        assert!(expected.len() > 5, "{expected:?}");
        assert_safe(&mut other, ask);
        run(&mut client, "COMMIT");
        assert_eq!(locked(scene.client(), session), BTreeSet::new());

        for steps in [
            format!("BEGIN; SAVEPOINT a; {ask}; ROLLBACK TO a; {ask}"),
            format!("BEGIN; SAVEPOINT a; {ask}; RELEASE a"),
            format!("BEGIN; SAVEPOINT a; {ask}; ROLLBACK TO a; RELEASE a; {ask}"),
            format!("BEGIN; SAVEPOINT a; SAVEPOINT b; {ask}; RELEASE b; ROLLBACK TO a; {ask}"),
            format!("BEGIN; SAVEPOINT a; {ask}; SAVEPOINT b; ROLLBACK TO b; {ask}"),
            format!("BEGIN; SAVEPOINT a; {ask}; ROLLBACK TO a; SAVEPOINT b; {ask}; RELEASE b"),
            format!("BEGIN; {ask}; SAVEPOINT a; {ask}; ROLLBACK TO a"),
            format!("BEGIN; SAVEPOINT a; {ask}; ROLLBACK TO a; {ask}; ROLLBACK TO a; {ask}"),
        ] {
            run(&mut client, &steps);
            assert_eq!(locked(scene.client(), session), expected, "{steps}");
            assert_safe(&mut other, &steps);
            run(&mut client, "COMMIT");
        }
        // An error takes all of it away, and the next transaction begins anew.
        run(&mut client, &format!("BEGIN; {ask}"));
        assert_eq!(code(client.batch_execute("SELECT 1/0")), "22012");
        run(&mut client, &format!("ROLLBACK; BEGIN; {ask}"));
        assert_eq!(locked(scene.client(), session), expected);
        run(&mut client, "COMMIT");
    }
}

/// Behind a rollback to a savepoint nothing is locked: an index may go, and must then be missed.
#[test]
fn an_index_that_goes_between_two_checks_is_missed() {
    let (scene, [check, list, _]) = scene(shared_postgres(), "transactions_index");
    let (mut client, mut other) = (scene.session(), scene.session());
    run(
        &mut client,
        &format!("BEGIN; SAVEPOINT a; {check}; {list}; ROLLBACK TO a"),
    );
    run(
        &mut other,
        "ALTER INDEX deed.document_not_live RENAME TO gone",
    );
    assert_eq!(code(client.batch_execute(&check)), "PD020");
    run(&mut client, "ROLLBACK TO a");
    run(
        &mut other,
        "ALTER INDEX deed.gone RENAME TO document_not_live; REINDEX TABLE deed.document",
    );
    assert_eq!(one::<i64>(&mut client, WRONG), 0);
    run(&mut client, "COMMIT");
}

/// Blocks that fail and are caught, a thousand times, around every function; what goes wrong inside
/// a function too.
#[test]
fn a_loop_with_subtransactions_leaves_nothing_behind() {
    let scene = Scene::new("transactions_loop");
    let mut client = scene.session();
    run(
        &mut client,
        "DO $$
         DECLARE t record; cursor text; n bigint := 0;
         BEGIN
           FOR t IN SELECT * FROM app.triple WHERE place % 9 = 0 LOOP
             BEGIN
               ASSERT deed.has_permission(t.principal, t.document, t.level) = t.expected;
               SELECT l.cursor INTO cursor FROM deed.list_documents(t.principal) AS l LIMIT 1;
               PERFORM deed.list_principals(t.document), deed.check_many(t.principal,
                 ARRAY[t.document], t.level);
               n := n + 1;
               CASE n % 5
                 WHEN 0 THEN RAISE EXCEPTION 'undo';
                 WHEN 1 THEN PERFORM deed.list_documents(t.principal, page_size => 0);
                 WHEN 2 THEN PERFORM deed.list_documents(deed.everyone(), after => cursor || 'x');
                 WHEN 3 THEN PERFORM 1 / (deed.has_permission(t.principal, t.document, t.level)::integer
                   - t.expected::integer);
                 ELSE NULL;
               END CASE;
               ASSERT n % 5 = 4 OR n % 5 = 2 AND cursor IS NULL;
             EXCEPTION
               WHEN raise_exception OR SQLSTATE 'PD004' OR SQLSTATE 'PD003' OR division_by_zero THEN
                 ASSERT deed.has_permission(t.principal, t.document, t.level) = t.expected;
             END;
           END LOOP;
           ASSERT n > 900;
         END $$",
    );
    assert_eq!(one::<i64>(&mut client, WRONG), 0);
    assert_no_leaks(&scene);
}

/// Whatever is under way when somebody, or a timeout, ends it.
#[test]
fn a_question_that_is_cancelled_leaves_nothing_behind() {
    let mut scene = Scene::new("transactions_cancelled");
    let mut client = scene.session();
    let session: i32 = one(&mut client, "SELECT pg_backend_pid()");
    let mut cancelled = 0;
    for n in 1..=60 {
        let question = [WRONG, WRONGLY_LISTED][n % 2];
        run(&mut client, "BEGIN; SAVEPOINT a");
        run(
            &mut client,
            &format!("SET LOCAL statement_timeout = '{n}ms'"),
        );
        let asked = code(client.batch_execute(question));
        assert!(["00000", "57014"].contains(&asked.as_str()), "{asked}");
        cancelled += usize::from(asked == "57014");
        // The timeout counts for this too, and is gone behind it.
        wait_until("the savepoint is back", DEADLINE, || {
            let back = code(client.batch_execute("ROLLBACK TO a"));
            assert!(["00000", "57014"].contains(&back.as_str()), "{back}");
            (back == "00000").then_some(())
        })
        .expect("back");
        run(&mut client, "COMMIT");
        assert_eq!(locked(scene.client(), session), BTreeSet::new());
    }
    assert!(cancelled > 10, "{cancelled} cancelled");
    assert_eq!(one::<i64>(&mut client, WRONG), 0);
    assert_eq!(one::<i64>(&mut client, WRONGLY_LISTED), 0);
    assert_no_leaks(&scene);
}

/// Postgres warns of what a transaction leaves open.
fn assert_no_leaks(scene: &Scene) {
    let log = scene.postgres.process().log();
    let leak = |line: &&str| {
        line.contains("WARNING") && (line.contains("leak") || line.contains("not closed"))
    };
    let leaks: Vec<&str> = log.lines().filter(leak).collect();
    assert!(leaks.is_empty(), "{leaks:?}");
}

/// Prepared transactions are off unless a setting allows them, which needs a start.
static PREPARES: LazyLock<Postgres> = LazyLock::new(|| {
    let postgres = own_postgres("prepares", false);
    let setting = "ALTER SYSTEM SET max_prepared_transactions = 5";
    postgres
        .psql("postgres", &["--command", setting])
        .expect("set");
    postgres.stop().expect("stopped");
    postgres.start_again().expect("started");
    postgres
});

#[test]
fn a_prepared_transaction_keeps_what_its_checks_relied_on() {
    let (mut scene, [check, list, many]) = scene(&PREPARES, "prepared");
    run(scene.client(), "CREATE TABLE app.act (n integer)");
    let (mut client, mut other) = (scene.session(), scene.session());
    run(
        &mut client,
        &format!(
            "BEGIN; {check}; {list}; {many}; INSERT INTO app.act VALUES (1); PREPARE TRANSACTION 'one'"
        ),
    );
    assert_safe(&mut other, "prepared");
    // The session goes on without these locks, and takes its own.
    let session: i32 = one(&mut client, "SELECT pg_backend_pid()");
    assert_eq!(locked(scene.client(), session), BTreeSet::new());
    run(&mut client, &format!("BEGIN; {check}"));
    assert!(locked(scene.client(), session).len() > 5);
    run(&mut client, "COMMIT");
    run(&mut client, "COMMIT PREPARED 'one'");
    run(&mut other, "REINDEX INDEX deed.closure_pkey");
    assert_eq!(one::<i64>(&mut client, WRONG), 0);
}

/// It has checked and written, and can no longer be refused: the other one is.
#[test]
fn a_prepared_serializable_transaction_still_protects_its_check() {
    let mut scene = Scene::on(&PREPARES, "prepared_serializable");
    run(scene.client(), "CREATE TABLE app.act (n integer)");
    let (mut client, mut other) = (scene.session(), scene.session());
    for vacuumed in [false, true] {
        if vacuumed {
            run(scene.client(), "VACUUM");
        }
        let begin = "BEGIN ISOLATION LEVEL SERIALIZABLE";
        run(
            &mut other,
            &format!("{begin}; SELECT count(*) FROM app.act"),
        );
        run(&mut client, begin);
        assert_eq!(one::<i64>(&mut client, WRONG), 0);
        run(
            &mut client,
            "INSERT INTO app.act VALUES (1); PREPARE TRANSACTION 'two'",
        );
        let change = "UPDATE deed.permission SET level = NULL WHERE document_id IN
            (SELECT document FROM app.triple WHERE expected)";
        let changed = other
            .batch_execute(change)
            .and_then(|()| other.batch_execute("COMMIT"));
        assert_eq!(code(changed), "40001", "vacuumed: {vacuumed}");
        run(&mut other, "ROLLBACK");
        run(&mut client, "COMMIT PREPARED 'two'");
    }
}
