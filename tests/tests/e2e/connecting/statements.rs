use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use deed_tests::event::{Clock, id};
use deed_tests::postgres::{CONSUMER_LOGIN, Postgres};
use deed_tests::process::{Process, wait_until};
use deed_tests::stage::{DEADLINE, Line, PLACE, own_postgres, run_folder, shared_kafka};
use postgres::{Client, Error};
use serde_json::json;

use super::documents;

/// A line on a cluster of its own, whose logins and settings may be changed.
fn own(name: &str) -> Postgres {
    own_postgres(&format!("statements-{name}"), false)
}

fn wait_for(consumer: &mut Process, word: &str) {
    consumer
        .wait_for_log(word, DEADLINE, |log| log.contains(word).then_some(()))
        .expect("said");
}

fn run(client: &mut Client, statement: &str) {
    client.batch_execute(statement).expect(statement);
}

fn documents_of(line: &Line<'_>) -> i64 {
    let counted = line
        .admin()
        .query_one("SELECT count(*) FROM deed.document", &[]);
    counted.expect("documents").get(0)
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

#[test]
fn sessions_that_are_terminated_again_and_again_cost_nothing() {
    let postgres = own("terminated");
    let line = Line::new(shared_kafka(), &postgres, "terminated", &[("events", 4)]);
    let consumer = line.consumer("a");
    let done = AtomicBool::new(false);
    let terminated = thread::scope(|scope| {
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
        done.store(true, Ordering::Relaxed);
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

/// A small file system in memory, unmounted at the end.
struct Small(std::path::PathBuf);

impl Small {
    /// None where nobody may mount one.
    fn mount(name: &str) -> Option<Self> {
        let folder = run_folder().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
            .arg(&folder)
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Moves the documents' table into a tablespace, which a file fills up, and has it grow.
fn fill_and_free(line: &Line<'_>, small: &Small, admin: &mut Client) -> Result<(), Error> {
    let folder = small.0.display();
    PLACE.give_to_server(&small.0).expect("given");
    admin.batch_execute(&format!("CREATE TABLESPACE small LOCATION '{folder}'"))?;
    admin.batch_execute("ALTER TABLE deed.document SET TABLESPACE small")?;
    let mut consumer = line.consumer("a");
    line.send(&documents("full", 10));
    line.wait_until_applied();
    let filler = small.0.join("filler");
    let filled = Command::new("dd")
        .args(["if=/dev/zero", "bs=64k"])
        .arg(format!("of={}", filler.display()))
        .output()
        .expect("dd");
    assert!(!filled.status.success(), "it fits in");
    line.send(&documents("full later", 2_000));
    wait_for(&mut consumer, "53100");
    std::fs::remove_file(&filler).expect("freed");
    line.wait_until_applied();
    assert!(consumer.lives());
    Ok(())
}

#[test]
fn a_full_disk_is_waited_for() {
    let Some(small) = Small::mount("small") else {
        // Only root may; elsewhere nothing here says anything of a full disk.
        println!("NOT TESTED: a tmpfs can't be mounted here, so no disk is full");
        return;
    };
    let postgres = own("full");
    let line = Line::new(shared_kafka(), &postgres, "full", &[("events", 1)]);
    let mut admin = line.admin();
    fill_and_free(&line, &small, &mut admin).expect("statements");
    assert_eq!(documents_of(&line), 2_010);
    // Its files lie on what is unmounted now.
    postgres.kill();
}
