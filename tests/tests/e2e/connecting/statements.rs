use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use deed_tests::event::{Clock, id};
use deed_tests::postgres::{CONSUMER_LOGIN, Postgres};
use deed_tests::process::{Process, wait_until};
use deed_tests::stage::{DEADLINE, Line, PLACE, own_postgres, shared_kafka};
use postgres::Client;
use serde_json::json;

use super::documents;

/// A line on a cluster of its own, whose logins and settings may be changed.
pub(super) fn own(name: &str) -> Postgres {
    own_postgres(&format!("statements-{name}"), false)
}

pub(super) fn wait_for(consumer: &mut Process, word: &str) {
    consumer
        .wait_for_log(word, DEADLINE, |log| log.contains(word).then_some(()))
        .expect("said");
}

fn run(client: &mut Client, statement: &str) {
    client.batch_execute(statement).expect(statement);
}

pub(super) fn documents_of(line: &Line<'_>) -> i64 {
    let counted = line
        .admin()
        .query_one("SELECT count(*) FROM deed.document", &[]);
    counted.expect("documents").get(0)
}

fn quarantined(line: &Line<'_>) -> i64 {
    let counted = line
        .admin()
        .query_one("SELECT count(*) FROM deed.quarantine", &[]);
    counted.expect("quarantine").get(0)
}

/// The settings that administrators give logins; neither costs a record.
#[test]
fn timeouts_of_the_login_are_waited_out() {
    let postgres = own("timeouts");
    let line = Line::new(shared_kafka(), &postgres, "timeouts", &[("events", 1)]);
    let mut admin = line.admin();
    for setting in [
        "lock_timeout = '200ms'",
        "idle_in_transaction_session_timeout = '200ms'",
        "idle_session_timeout = '300ms'",
    ] {
        run(
            &mut admin,
            &format!("ALTER ROLE {CONSUMER_LOGIN} SET {setting}"),
        );
    }
    let mut consumer = line.consumer("a");
    line.send(&documents("timeouts", 10));
    line.wait_until_applied();
    let mut held = admin.transaction().expect("transaction");
    held.execute("SELECT FROM deed.document FOR UPDATE", &[])
        .expect("locked");
    line.send(&documents("timeouts", 10));
    wait_for(&mut consumer, "55P03");
    held.rollback().expect("unlocked");
    line.wait_until_applied();
    assert_eq!(documents_of(&line), 10);
}

/// A session that locks documents against the order makes Postgres end one of the two. The consumer's comes again.
#[test]
fn a_deadlock_costs_nothing() {
    let postgres = own("deadlock");
    let line = Line::new(shared_kafka(), &postgres, "deadlock", &[("events", 1)]);
    // Who waits that long looks for a deadlock, and gives way: the consumer's session, once the other one waits for it.
    let mut admin = line.admin();
    run(
        &mut admin,
        "ALTER DATABASE deadlock SET deadlock_timeout = '1h'",
    );
    run(
        &mut admin,
        &format!("ALTER ROLE {CONSUMER_LOGIN} IN DATABASE deadlock SET deadlock_timeout = '10s'"),
    );
    let mut consumer = line.consumer("a");
    line.send(&documents("deadlock", 2));
    line.wait_until_applied();
    let mut ids = [id("deadlock 0"), id("deadlock 1")];
    ids.sort();
    let lock = "SELECT FROM deed.document WHERE id = $1 FOR UPDATE";
    let mut against = postgres.admin("deadlock").expect("connection");
    let mut held = against.transaction().expect("transaction");
    held.execute(lock, &[&ids[1]]).expect("locked");
    // The first batch may hold one record alone; then the second holds the others.
    let mut clock = Clock::default();
    let mut update = |n: usize| {
        let later = json!({ "title": "Later" });
        clock.updated(ids[n % 2], id("anne"), later).structured()
    };
    line.send(&(0..100).map(&mut update).collect::<Vec<_>>());
    wait_until("the batch waits for the second document", DEADLINE, || {
        let waiting = admin.query_one(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND wait_event_type = 'Lock'",
            &[&CONSUMER_LOGIN],
        );
        (waiting.ok()?.get::<_, i64>(0) > 0).then_some(())
    })
    .expect("waiting");
    held.execute(lock, &[&ids[0]])
        .expect("the consumer's session gives way");
    held.rollback().expect("unlocked");
    wait_for(&mut consumer, "40P01");
    line.wait_until_applied();
    assert!(consumer.lives());
}

/// As a check among serializable transactions would, which a trigger of the operator's may run into.
#[test]
fn a_serialization_failure_is_repeated() {
    let line = Line::shared("serialization", 1);
    let mut admin = line.admin();
    run(
        &mut admin,
        "CREATE SEQUENCE public.tries;
         CREATE FUNCTION public.fail_at_first() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
         $$ BEGIN
           IF nextval('public.tries') <= 3 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '40001'; END IF;
           RETURN NULL;
         END $$;
         CREATE TRIGGER fail_at_first AFTER INSERT ON deed.document EXECUTE FUNCTION public.fail_at_first()",
    );
    let mut consumer = line.consumer("a");
    line.send(&documents("serialization", 10));
    wait_for(&mut consumer, "40001");
    line.wait_until_applied();
    assert_eq!(documents_of(&line), 10);
    assert_eq!(quarantined(&line), 0);
}

/// A login that is refused while a batch waits says nothing of the batch's records, whatever its SQLSTATE.
#[test]
fn a_login_that_is_refused_costs_no_record() {
    let postgres = own("refused-login");
    let line = Line::new(shared_kafka(), &postgres, "refused_login", &[("events", 1)]);
    let mut admin = line.admin();
    run(
        &mut admin,
        &format!(
            "CREATE ROLE day_shift IN ROLE deed_consumer; GRANT day_shift TO {CONSUMER_LOGIN}"
        ),
    );
    let mut spec = line.consumer_spec("a");
    spec.environment = vec![("PGOPTIONS", "-c role=day_shift".to_owned())];
    let mut consumer = spec.start(&PLACE).expect("consumer");
    line.send(&documents("refused_login", 10));
    line.wait_until_applied();
    // No such role: 22023, of the class of what is wrong with data.
    run(&mut admin, "ALTER ROLE day_shift RENAME TO night_shift");
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1";
    admin
        .execute(terminate, &[&CONSUMER_LOGIN])
        .expect("terminated");
    line.send(&documents("refused_login later", 10));
    consumer
        .wait_for_log("a batch is refused", DEADLINE, |log| {
            log.lines()
                .any(|line| line.contains("apply is refused") && line.contains("22023"))
                .then_some(())
        })
        .expect("said");
    run(&mut admin, "ALTER ROLE night_shift RENAME TO day_shift");
    line.wait_until_applied();
    assert_eq!(documents_of(&line), 20);
    assert_eq!(quarantined(&line), 0);
}

#[test]
fn a_login_that_may_only_read_is_waited_for() {
    let postgres = own("read-only");
    let line = Line::new(shared_kafka(), &postgres, "read_only", &[("events", 1)]);
    let mut admin = line.admin();
    let role = format!("ALTER ROLE {CONSUMER_LOGIN}");
    run(
        &mut admin,
        &format!("{role} SET default_transaction_read_only = on"),
    );
    line.send(&documents("read_only", 10));
    let mut consumer = line.consumer("a");
    wait_for(&mut consumer, "25006");
    run(
        &mut admin,
        &format!("{role} RESET default_transaction_read_only"),
    );
    line.wait_until_applied();
    assert_eq!(documents_of(&line), 10);
}

/// Told to end whatever becomes of the test.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn sessions_that_are_terminated_again_and_again_cost_nothing() {
    let postgres = own("terminated");
    let line = Line::new(shared_kafka(), &postgres, "terminated", &[("events", 4)]);
    let consumer = line.consumer("a");
    let done = AtomicBool::new(false);
    let terminated = thread::scope(|scope| {
        let ending = Ending(&done);
        let terminating = scope.spawn(|| {
            let mut admin = postgres.admin("terminated").expect("connection");
            let mut terminated = 0;
            while !done.load(Ordering::Relaxed) {
                let ended = admin.query_one(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = $1",
                    &[&CONSUMER_LOGIN],
                );
                terminated += ended.expect("terminated").get::<_, i64>(0);
                thread::sleep(std::time::Duration::from_millis(100));
            }
            terminated
        });
        for round in 0..20 {
            line.send(&documents(&format!("terminated {round}"), 100));
        }
        line.wait_until_applied();
        drop(ending);
        terminating.join().expect("joined")
    });
    assert!(terminated > 10, "{terminated} sessions ended");
    assert_eq!(documents_of(&line), 2_000);
    assert!(!consumer.log().contains("partition revoked"));
}

#[test]
fn a_server_out_of_connections_is_waited_for() {
    let postgres = own("connections");
    let line = Line::new(shared_kafka(), &postgres, "connections", &[("events", 1)]);
    let mut admin = line.admin();
    run(
        &mut admin,
        &format!("ALTER ROLE {CONSUMER_LOGIN} CONNECTION LIMIT 0"),
    );
    line.send(&documents("connections", 10));
    let mut consumer = line.consumer("a");
    wait_for(&mut consumer, "53300");
    run(
        &mut admin,
        &format!("ALTER ROLE {CONSUMER_LOGIN} CONNECTION LIMIT -1"),
    );
    line.wait_until_applied();
    assert_eq!(documents_of(&line), 10);
}
