//! A dump of a filled database, restored into a cluster that knows nothing but the extension's files.

use std::process::Command;

use deed_tests::load;
use deed_tests::snapshot::Snapshot;
use deed_tests::spawn::run;
use deed_tests::stage::{Line, own_postgres, shared_kafka, shared_postgres};
use postgres::Client;

/// What the snapshot leaves out, and what the checks answer for every pair.
fn rest(client: &mut Client) -> Vec<String> {
    let queries = [
        "SELECT t::text FROM deed.stream_position AS t ORDER BY consumer_group, topic, partition",
        "SELECT t::text FROM deed.quarantine AS t ORDER BY id",
        "SELECT format('%s %s %s', p.recipient_id, p.document_id,
           deed.effective_level(p.recipient_id, p.document_id))
         FROM deed.permission AS p ORDER BY p.recipient_id, p.document_id",
    ];
    let read = |query| {
        let rows = client.query(query, &[]).expect(query);
        assert!(!rows.is_empty(), "{query}");
        rows.iter().map(|row| row.get(0)).collect::<Vec<String>>()
    };
    queries.into_iter().flat_map(read).collect()
}

#[test]
fn a_dump_restores_into_a_bare_cluster_that_answers_alike() {
    let line = Line::shared("dump", 2);
    let mut consumer = line.consumer("a");
    line.send(&load::records(load::seed(), 3_000, 200));
    line.wait_until_applied();
    consumer.stop(deed_tests::stage::DEADLINE).expect("stops");
    let mut source = line.admin();

    let bare = own_postgres("bare", false);
    bare.create_bare_database("restored").expect("database");
    let file = std::env::temp_dir().join(format!("deed-{}.dump", std::process::id()));
    let mut dump = shared_postgres().program("pg_dump");
    dump.args(["--format=custom", "--file"])
        .arg(&file)
        .arg(line.postgres.admin_url(&line.name));
    run(&dump, None).expect("dumped");
    // The grants of sql/ name roles, which are not in the database and so not in its dump; and
    // schema api belongs to one. They are set up again, as after every restore.
    let mut restore: Command = bare.program("pg_restore");
    restore
        .args([
            "--no-privileges",
            "--no-owner",
            "--exit-on-error",
            "--dbname",
        ])
        .arg(bare.admin_url("restored"))
        .arg(&file);
    let restored = run(&restore, None);
    std::fs::remove_file(&file).expect("removed");
    restored.expect("restored");
    bare.apply_scripts("restored").expect("scripts");

    let mut target = bare.admin("restored").expect("connection");
    Snapshot::take(&mut target).assert_equals(&Snapshot::take(&mut source), "restored");
    assert_eq!(rest(&mut target), rest(&mut source));

    // And the stream goes on where it was: into the restored database, with the same positions.
    let mut spec = line.consumer_spec("restored");
    spec.database_url = bare.consumer_url("restored");
    let _consumer = spec.start(&deed_tests::stage::PLACE).expect("consumer");
    line.send(&load::records(load::seed(), 500, 200));
    let ends = shared_kafka().ends(&line.topics[0]).expect("ends");
    deed_tests::process::wait_until("goes on", deed_tests::stage::DEADLINE, || {
        let reached = deed_tests::consumer::positions(&mut target, &line.name, &line.topics[0])?;
        (reached == ends).then_some(())
    })
    .expect("goes on");
}
