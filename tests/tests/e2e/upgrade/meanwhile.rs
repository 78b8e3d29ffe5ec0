//! The update from 0.2.0 while others ask and apply, who lock the tables in opposite orders.

use std::thread;

use deed_tests::process::wait_until;
use deed_tests::stage::{DEADLINE, shared_postgres};

use super::{bare, update};

/// Whoever holds one table and comes to want another gets it, and the update comes after.
#[test]
fn an_update_meets_nobody_in_a_deadlock() {
    let postgres = shared_postgres();
    let name = "upgrade_meanwhile";
    let mut updating = bare(postgres, name, "VERSION '0.2.0'");
    let session: i32 = updating
        .query_one("SELECT pg_backend_pid()", &[])
        .expect("a session")
        .get(0);
    let mut watching = postgres.admin(name).expect("connection");
    // As a check of 0.2.0, and as a batch.
    let holders = [("principal", "document"), ("document", "principal")].map(|tables| {
        let mut client = postgres.admin(name).expect("connection");
        let first = format!(
            "SET lock_timeout = '20s'; BEGIN; LOCK TABLE deed.{} IN ROW EXCLUSIVE MODE",
            tables.0
        );
        client.batch_execute(&first).expect("locked");
        (client, tables.1)
    });
    thread::scope(|scope| {
        // Dropped when this fails, so that the update ends.
        let mut holders = holders;
        let update = scope.spawn(|| update(&mut updating));
        let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity
            WHERE pid = $1 AND wait_event_type IN ('Lock', 'Timeout'))";
        wait_until("the update waits", DEADLINE, || {
            let row = watching.query_one(waits, &[&session]).expect(waits);
            row.get::<_, bool>(0).then_some(())
        })
        .expect("it waits");
        for (client, second) in &mut holders {
            let second = format!("LOCK TABLE deed.{second} IN ROW EXCLUSIVE MODE");
            client.batch_execute(&second).expect("locked");
        }
        assert!(!update.is_finished(), "others hold what it needs");
        for (client, _) in &mut holders {
            client.batch_execute("COMMIT").expect("committed");
        }
        update.join().expect("updated");
    });
    let version: String = watching
        .query_one(
            "SELECT extversion FROM pg_extension WHERE extname = 'deed'",
            &[],
        )
        .expect("a version")
        .get(0);
    assert_ne!(version, "0.2.0");
}
