//! The update from older versions while others ask and apply, who lock the tables in opposite orders.

use std::sync::{Arc, Mutex};
use std::thread;

use deed_tests::process::wait_until;
use deed_tests::stage::{DEADLINE, shared_postgres};

use postgres::{Config, NoTls};

use super::{bare, update};

/// Whoever holds one table and comes to want another gets it, and the update comes after.
fn assert_nobody_is_kept(version: &str, orders: [(&'static str, &'static str); 2]) {
    let postgres = shared_postgres();
    let name = format!("upgrade_meanwhile_{}", version.replace('.', "_"));
    drop(bare(postgres, &name, &format!("VERSION '{version}'")));
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let mut config: Config = postgres.admin_url(&name).parse().expect("a URL");
    let heard = Arc::clone(&warnings);
    config.notice_callback(move |notice| heard.lock().expect("heard").push(notice.to_string()));
    let mut updating = config.connect(NoTls).expect("connection");
    let holders = orders.map(|tables| {
        let mut client = postgres.admin(&name).expect("connection");
        let first = format!(
            "SET lock_timeout = '20s'; BEGIN; LOCK TABLE deed.{} IN ROW EXCLUSIVE MODE",
            tables.0
        );
        client.batch_execute(&first).expect("locked");
        (client, tables.1)
    });
    let give_up = "SET lock_timeout = '1s'; ALTER EXTENSION deed UPDATE";
    let refused = updating.batch_execute(give_up).expect_err("gives up");
    assert_eq!(refused.code().map(|code| code.code()), Some("55P03"));
    updating.batch_execute("SET lock_timeout = 0").expect("set");
    thread::scope(|scope| {
        // Dropped when this fails, so that the update ends.
        let mut holders = holders;
        let update = scope.spawn(|| update(&mut updating));
        wait_until("the update warns that it waits", DEADLINE, || {
            let warnings = warnings.lock().expect("heard");
            warnings
                .iter()
                .any(|text: &String| text.contains("waiting for transactions"))
                .then_some(())
        })
        .expect("it warns");
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
}

/// A check of 0.2.0, and a batch.
#[test]
fn an_update_from_0_2_0_meets_nobody_in_a_deadlock() {
    assert_nobody_is_kept(
        "0.2.0",
        [("principal", "document"), ("document", "principal")],
    );
}

/// A check of 0.1.0, and a batch.
#[test]
fn an_update_from_0_1_0_meets_nobody_in_a_deadlock() {
    assert_nobody_is_kept(
        "0.1.0",
        [("permission", "document"), ("document", "permission")],
    );
}

/// A check of 0.4.0, and a batch.
#[test]
fn an_update_from_0_4_0_meets_nobody_in_a_deadlock() {
    assert_nobody_is_kept(
        "0.4.0",
        [("permission", "document"), ("document", "permission")],
    );
}

/// A batch that tells of something, and a relay that settles.
#[test]
fn an_update_from_0_5_0_meets_nobody_in_a_deadlock() {
    assert_nobody_is_kept("0.5.0", [("outbox", "mark"), ("mark", "outbox")]);
}

/// A batch that quarantines something, and whoever comes from the dead letters.
#[test]
fn an_update_from_0_6_0_meets_nobody_in_a_deadlock() {
    assert_nobody_is_kept(
        "0.6.0",
        [
            ("stream_position", "dead_letter"),
            ("dead_letter", "stream_position"),
        ],
    );
}

/// A batch has written principals and moves its position last, while the update waits for it.
#[test]
fn an_update_from_0_3_0_meets_no_batch_in_a_deadlock() {
    let postgres = shared_postgres();
    let name = "upgrade_meanwhile_0_3_0";
    let mut updating = bare(postgres, name, "VERSION '0.3.0'");
    let sampled = "INSERT INTO deed.document (id, purged) SELECT gen_random_uuid(), false FROM generate_series(1, 500);
        ANALYZE deed.document";
    updating.batch_execute(sampled).expect(sampled);
    let samples = "SELECT count(*) FROM pg_stats WHERE schemaname = 'deed' AND tablename = 'document' AND attname = 'id'";
    let samples_of = |client: &mut postgres::Client| -> i64 {
        client.query_one(samples, &[]).expect(samples).get(0)
    };
    assert_eq!(samples_of(&mut updating), 1, "ids are sampled");
    let mut batch = postgres.admin(name).expect("connection");
    let mut watching = postgres.admin(name).expect("connection");
    let lock = |table: &str| {
        format!("SET lock_timeout = '20s'; LOCK TABLE deed.{table} IN ROW EXCLUSIVE MODE")
    };
    let first = format!("BEGIN; {}", lock("principal"));
    batch.batch_execute(&first).expect("locked");
    thread::scope(|scope| {
        // Dropped when this fails, so that the update ends.
        let mut batch = batch;
        let update = scope.spawn(|| update(&mut updating));
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareLock'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        wait_until("the update waits", DEADLINE, || {
            let waiting: i64 = watching.query_one(waits, &[]).expect(waits).get(0);
            (waiting == 1).then_some(())
        })
        .expect("it waits");
        let last = lock("stream_position");
        batch.batch_execute(&last).expect("locked");
        batch.batch_execute("COMMIT").expect("committed");
        update.join().expect("updated");
    });
    for again in ["", "ANALYZE deed.document"] {
        updating.batch_execute(again).expect("analyzed");
        assert_eq!(samples_of(&mut updating), 0, "no sample is kept");
    }
}
