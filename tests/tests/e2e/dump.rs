//! A dump of a filled database, restored into a cluster that knows nothing but the extension's files.

use std::collections::BTreeSet;

use deed_tests::answers::{self, Subjects};
use deed_tests::consumer::positions;
use deed_tests::derived;
use deed_tests::load;
use deed_tests::process::wait_until;
use deed_tests::snapshot::Snapshot;
use deed_tests::spawn::run;
use deed_tests::stage::{DEADLINE, Line, PLACE, own_postgres};
use postgres::Client;
use uuid::Uuid;

const DOCUMENTS: usize = 150;
const EVERYONE: Uuid = Uuid::from_u128(1);
const USERS: Uuid = Uuid::from_u128(2);

/// What the snapshot leaves out, and all that is answered.
fn rest(client: &mut Client) -> BTreeSet<String> {
    let principals = (0..load::people(DOCUMENTS)).map(load::person);
    let subjects = Subjects {
        principals: principals.chain([EVERYONE, USERS]).collect(),
        documents: (0..DOCUMENTS).map(load::document).collect(),
    };
    let mut all = answers::ask(client, &subjects, 50);
    for query in [
        "SELECT t::text FROM deed.stream_position AS t",
        "SELECT t::text FROM deed.quarantine AS t",
    ] {
        let rows = client.query(query, &[]).expect(query);
        assert!(!rows.is_empty(), "{query}");
        all.extend(rows.iter().map(|row| row.get::<_, String>(0)));
    }
    all
}

#[test]
fn a_dump_restores_into_a_bare_cluster_that_answers_alike() {
    let line = Line::shared("dump", 2);
    let mut consumer = line.consumer("a");
    line.send(&load::records(load::seed(), 3_000, DOCUMENTS));
    line.wait_until_applied();
    consumer.stop(DEADLINE).expect("stops");
    let mut source = line.admin();
    let (tables, answers) = (Snapshot::take(&mut source), rest(&mut source));
    for table in ["membership", "closure", "listing"] {
        assert!(tables.count(table) > 0, "the load filled {table}");
    }
    let file = std::env::temp_dir().join(format!("deed-{}.dump", std::process::id()));
    let mut dump = line.postgres.program("pg_dump");
    dump.args(["--format=custom", "--file"])
        .arg(&file)
        .arg(line.postgres.admin_url(&line.name));
    run(&dump, None).expect("dumped");

    let bare = own_postgres("bare", false);
    let restore = |database: &str, options: &[&str]| {
        bare.create_bare_database(database).expect("database");
        let mut restore = bare.program("pg_restore");
        restore
            .args(options)
            .args(["--exit-on-error", "--dbname"])
            .arg(bare.admin_url(database))
            .arg(&file);
        run(&restore, None).expect("restored");
        bare.admin(database).expect("connection")
    };
    // Nothing of the extension needs a role.
    let mut target = restore("no_roles", &["--no-owner", "--no-privileges"]);
    Snapshot::take(&mut target).assert_equals(&tables, "restored without roles");
    assert_eq!(rest(&mut target), answers);

    // What `sql/` set up names the roles, so those come first: the way that docs/HTTP.md shows.
    let roles = PLACE.root.join("sql/roles.sql");
    bare.psql(
        "postgres",
        &[
            "--single-transaction",
            "--file",
            &roles.display().to_string(),
        ],
    )
    .expect("roles");
    let mut target = restore("restored", &[]);
    Snapshot::take(&mut target).assert_equals(&tables, "restored");
    assert_eq!(rest(&mut target), answers);
    std::fs::remove_file(&file).expect("removed");

    // With its grants and positions, so that the stream goes on where it was.
    bare.create_consumer_login().expect("login");
    let mut spec = line.consumer_spec("restored");
    spec.database_url = bare.consumer_url("restored");
    let _consumer = spec.start(&PLACE).expect("consumer");
    line.send(&load::records(load::seed(), 500, DOCUMENTS));
    let ends = line.kafka.ends(&line.topics[0]).expect("ends");
    wait_until("the stream goes on", DEADLINE, || {
        let reached = positions(&mut target, &line.name, &line.topics[0])?;
        (reached == ends).then_some(())
    })
    .expect("goes on");
    derived::assert_follow(&mut target, "restored, and gone on");
}
