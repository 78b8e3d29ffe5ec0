//! A hot standby: a real streaming replica.

use std::fs;
use std::sync::LazyLock;
use std::thread;

use deed_tests::differential::Outcome;
use deed_tests::differential::asking::Asker;
use deed_tests::event::{Clock, id};
use deed_tests::owner::{GROUP, Owner, TOPIC, topic_id};
use deed_tests::postgres::Postgres;
use deed_tests::process::wait_until;
use deed_tests::stage::{DEADLINE, own_postgres, own_standby};
use postgres::Client;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Scene, TABLES, WRONG, WRONGLY_LISTED, code, one, run, some};
use crate::meanwhile::Meanwhile;

static PAIR: LazyLock<[Postgres; 2]> = LazyLock::new(|| {
    let primary = own_postgres("primary", false);
    let standby = own_standby("standby", &primary);
    [primary, standby]
});

fn pair() -> [&'static Postgres; 2] {
    let [primary, standby] = &*PAIR;
    [primary, standby]
}

/// A connection to the standby, once it has all that the primary has.
fn session(database: &str) -> Client {
    let [primary, standby] = pair();
    primary.wait_until_replayed_by(standby).expect("replayed");
    standby.admin(database).expect("connection")
}

#[test]
fn every_way_to_ask_answers_on_a_standby() {
    let mut scene = Scene::on(pair()[0], "standby");
    let writer = scene.session();
    Asker::new(writer).prepare(scene.owner.client(), &scene.state);
    let mut asker = Asker::new(session("standby"));
    let in_recovery = "SELECT pg_is_in_recovery()";
    assert!(one::<bool>(asker.client(), in_recovery));
    let mut outcome = Outcome::default();
    outcome.judge(&scene.state, &mut asker, &mut StdRng::seed_from_u64(0));
    println!("on a standby: {outcome}");
    assert_eq!(outcome.differences, 0, "{outcome}");
    run(asker.client(), "BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(one::<i64>(asker.client(), WRONG), 0);
    assert_eq!(one::<i64>(asker.client(), WRONGLY_LISTED), 0);
    run(asker.client(), "COMMIT");
}

#[test]
fn nothing_is_applied_on_a_standby() {
    let [primary, _] = pair();
    primary.create_database("standby_apply").expect("database");
    let mut client = session("standby_apply");
    let event = Clock::default()
        .created(id("plan"), id("anne"), "Plan")
        .envelope();
    for call in [
        format!("SELECT deed.apply('{event}')"),
        format!(
            "SELECT * FROM deed.claim('{GROUP}', '{TOPIC}', 0, '{}')",
            topic_id()
        ),
        format!(
            "SELECT * FROM deed.apply_batch('{GROUP}', '{TOPIC}', 0, 1, NULL, 1, '{{0}}', '{{-1}}',
               ARRAY[NULL::bytea], '{{0}}', '{{}}', '{{}}', ARRAY['{{'::bytea])"
        ),
        "SELECT * FROM deed.redrive('{1}')".to_owned(),
        format!("SELECT deed.reset_position('{GROUP}', '{TOPIC}', 0)"),
    ] {
        assert_eq!(code(client.batch_execute(&call)), "25006", "{call}");
    }
}

/// What was written on the primary is waited for on the standby, over HTTP too: the place among those who
/// wait is a lock, which a standby gives.
#[test]
fn a_write_is_waited_for_on_a_standby() {
    let [primary, _] = pair();
    let database = "standby_wait";
    primary.create_database(database).expect("database");
    let mut owner = Owner::claim(primary.admin(database).expect("connection"), 0).expect("claimed");
    let mut asking = session(database);
    let request = format!(
        "SET deed_http.max_wait = '1min'; SET ROLE deed_anon; BEGIN READ ONLY;
         SET LOCAL request.method = 'GET'; SET LOCAL request.path = '/documents';
         SET LOCAL request.jwt.claims = '{{\"role\": \"deed_anon\"}}';
         SET LOCAL request.headers = '{{\"deed-position\": \"{TOPIC}:0:0\"}}'"
    );
    run(&mut asking, &request);
    let mut watching = session(database);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| asking.batch_execute("SELECT deed_http.identify(); COMMIT"));
        let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
        let waits = wait_until("the request waits", DEADLINE, || {
            (one::<i64>(&mut watching, held) == 1).then_some(())
        });
        waits.expect("waiting");
        let event = Clock::default().created(id("plan"), id("anne"), "Plan");
        owner.apply(&[event.structured()]).expect("applied");
        waiter.join().expect("a waiter").expect("in time");
    });
    run(&mut asking, "RESET ROLE");
    let far = format!("SELECT deed.wait_for('{TOPIC}:0:1', '10 ms')");
    assert!(!one::<bool>(&mut asking, &far));
}

/// How many entries of the index's pages are marked as dead, in the file.
fn dead_entries(postgres: &Postgres, database: &str, index: &str) -> usize {
    const PAGE: usize = 8192;
    const HEADER: usize = 24;
    let file = postgres.file_of(database, index).expect("a file");
    let bytes = fs::read(file).expect("the index");
    let dead = |page: &[u8]| {
        // bufpage.h: pd_lower ends the line pointers; itemid.h: two bits of each are its state.
        let lower = usize::from(u16::from_le_bytes([page[12], page[13]]));
        let pointers = page[HEADER..lower.max(HEADER)].chunks_exact(4);
        let state = |p: &[u8]| (u32::from_le_bytes([p[0], p[1], p[2], p[3]]) >> 15) & 3;
        pointers.filter(|pointer| state(pointer) == 3).count()
    };
    // The first page is the index's own.
    bytes.chunks_exact(PAGE).skip(1).map(dead).sum()
}

/// The primary marks an entry as dead once nobody *there* can see its row, and the mark comes to the
/// standby with the page, where an older snapshot still sees it.
#[test]
fn an_older_snapshot_sees_what_the_primary_has_marked_as_dead() {
    let [primary, standby] = pair();
    let database = "standby_dead";
    primary.create_database(database).expect("database");
    let mut writer = primary.admin(database).expect("connection");
    let [plan, anne, bob, cara, team] = ["plan", "anne", "bob", "cara", "team"].map(id);
    let clock = &mut Clock::default();
    for event in [
        clock.created(plan, anne, "Plan"),
        clock.granted(plan, bob, "viewer", anne),
        clock.granted(plan, team, "editor", anne),
        clock.member_added(team, bob),
    ] {
        run(
            &mut writer,
            &format!("SELECT deed.apply('{}')", event.envelope()),
        );
    }
    let by_name = format!("SELECT deed.has_permission('{bob}', '{plan}', 'viewer')");
    let in_team = format!("SELECT deed.has_permission('{bob}', '{plan}', 'editor')");
    let many =
        format!("SELECT allowed FROM deed.check_many('{bob}', ARRAY['{plan}'::uuid], 'editor')");
    let listed = |sort| {
        format!(
            "SELECT EXISTS (SELECT FROM deed.list_documents('{bob}', sort => '{sort}') WHERE level = 'editor')"
        )
    };
    let of_plan = format!(
        "SELECT EXISTS (SELECT FROM deed.list_principals('{plan}') WHERE principal_id = '{bob}')"
    );
    let questions = [
        by_name,
        in_team,
        many,
        listed("last_modified"),
        listed("id"),
        of_plan,
    ];
    let mut old = session(database);
    run(&mut old, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    let ask = |client: &mut Client| {
        questions
            .each_ref()
            .map(|question| one::<bool>(client, question))
    };
    assert_eq!(ask(&mut old), [true; 6]);

    // Not an event: that would leave the row, as a tombstone.
    run(
        &mut writer,
        &format!(
            "DELETE FROM deed.permission WHERE recipient_id IN ('{bob}', '{team}');
             DELETE FROM deed.listing WHERE recipient_id IN ('{bob}', '{team}');
             DELETE FROM deed.membership"
        ),
    );
    run(
        &mut writer,
        "SET enable_seqscan = off; SET enable_bitmapscan = off",
    );
    let scans = format!(
        "SELECT level FROM deed.permission WHERE document_id = '{plan}';
         SELECT level FROM deed.permission WHERE recipient_id = '{bob}' AND level IS NOT NULL;
         SELECT level FROM deed.permission WHERE recipient_id = '{team}' AND level IS NOT NULL;
         SELECT level FROM deed.listing WHERE recipient_id = '{bob}';
         SELECT level FROM deed.listing WHERE recipient_id = '{team}';
         SELECT removed FROM deed.membership WHERE group_id = '{team}';
         SELECT removed FROM deed.membership WHERE member_id = '{bob}' AND NOT removed"
    );
    // But the one that no check or list reads.
    let indexes =
        "SELECT string_agg(indexrelid::regclass::text, ' ') FROM pg_index WHERE indrelid IN
        ('deed.permission'::regclass, 'deed.listing'::regclass, 'deed.membership'::regclass)
        AND indexrelid <> 'deed.permission_to_expire'::regclass";
    let indexes: String = one(&mut writer, indexes);
    // A connection that somebody opens anywhere may still need such a row, for a moment.
    let marked = wait_until("the entries are marked as dead", DEADLINE, || {
        run(&mut writer, &scans);
        run(&mut writer, "CHECKPOINT");
        let marked = |index| dead_entries(primary, database, index) > 0;
        indexes.split(' ').all(marked).then_some(())
    });
    marked.expect(&indexes);
    assert_eq!(ask(&mut writer), [false; 6]);
    // Behind a checkpoint the next change of a page takes the whole of it along.
    run(
        &mut writer,
        &format!(
            "INSERT INTO deed.permission VALUES ('{plan}', '{cara}', '\\x', 'viewer', NULL, now(), NULL, false);
             INSERT INTO deed.listing SELECT '{cara}', 'viewer', last_modified, id FROM deed.document;
             INSERT INTO deed.membership VALUES ('{team}', '{cara}', '\\x', false, NULL, now())"
        ),
    );
    let mut new = session(database);
    // It is in the standby's own file then, mark and all.
    run(&mut new, "CHECKPOINT");
    for index in indexes.split(' ') {
        let dead = dead_entries(standby, database, index);
        assert!(dead > 0, "no dead entry of {index} has come to the standby");
    }
    assert_eq!(ask(&mut old), [true; 6], "by the older snapshot");
    assert_eq!(ask(&mut new), [false; 6], "by a new one");
    run(&mut old, "COMMIT");
    assert_eq!(ask(&mut old), [false; 6]);
}

/// Indexes and the whole extension are replaced on the primary, while a session on the standby, which
/// has found them before, goes on asking.
#[test]
fn what_is_replaced_on_the_primary_is_found_on_the_standby() {
    let scene = Scene::on(pair()[0], "standby_rebuilds");
    let mut writer = scene.session();
    let mut asking = session(scene.name);
    assert_eq!(one::<i64>(&mut asking, WRONG), 0);
    let meanwhile = Meanwhile::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            meanwhile.ask(|| assert_eq!(one::<i64>(&mut asking, &some(WRONG, 11)), 0));
        });
        meanwhile.work(2, 20, || {
            for table in TABLES {
                let rebuild = format!("REINDEX TABLE CONCURRENTLY deed.{table}");
                run(&mut writer, &rebuild);
            }
            run(&mut writer, "VACUUM");
        });
    });
    let mut asking = session(scene.name);
    let check = "SELECT deed.has_permission(deed.everyone(), deed.users(), 'viewer')";
    assert!(!one::<bool>(&mut asking, check));
    run(
        &mut writer,
        "DROP EXTENSION deed CASCADE; CREATE EXTENSION deed",
    );
    let [primary, standby] = pair();
    primary.wait_until_replayed_by(standby).expect("replayed");
    assert!(!one::<bool>(&mut asking, check));
}
