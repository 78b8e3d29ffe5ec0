//! A database of an older version, updated: it becomes what a new one is; filled by 0.1.0, it goes on.

use std::collections::BTreeSet;

use deed_tests::answers::Subjects;
use deed_tests::catalog;
use deed_tests::event::{Clock, Event, id};
use deed_tests::owner::Owner;
use deed_tests::postgres::{Postgres, connect};
use deed_tests::snapshot::Snapshot;
use deed_tests::spawn::run;
use deed_tests::stage::shared_postgres;
use postgres::Client;
use serde_json::json;
use uuid::Uuid;

use crate::ground::Ground;

mod meanwhile;
mod of_0_2_0;
mod old;
mod older_dump;

const EVERYONE: Uuid = Uuid::from_u128(1);
const USERS: Uuid = Uuid::from_u128(2);

/// Fails with what only one of the two has.
fn assert_alike(found: &BTreeSet<String>, expected: &BTreeSet<String>) {
    let only = |these: &BTreeSet<String>, those: &BTreeSet<String>| {
        these
            .difference(those)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(
        found == expected,
        "too much:\n{}\nmissing:\n{}",
        only(found, expected),
        only(expected, found)
    );
}

/// A database with nothing but the extension, in the version given or the newest.
fn bare(postgres: &Postgres, name: &str, version: &str) -> Client {
    postgres.create_bare_database(name).expect("database");
    let mut client = postgres.admin(name).expect("connection");
    client
        .batch_execute(&format!("CREATE EXTENSION deed {version}"))
        .expect("extension");
    client
}

fn update(client: &mut Client) {
    client
        .batch_execute("ALTER EXTENSION deed UPDATE")
        .expect("updated");
}

#[test]
fn an_updated_extension_is_what_a_new_one_is() {
    let postgres = shared_postgres();
    let mut new = bare(postgres, "upgrade_new", "");
    let bare_new = catalog::describe(&mut new);
    postgres.apply_scripts("upgrade_new").expect("set up");
    let with_grants = catalog::describe(&mut new);
    assert_ne!(with_grants, bare_new, "grants are seen");
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0"] {
        let name = format!("upgrade_bare_{version}");
        let mut updated = bare(postgres, &name, &format!("VERSION '{version}'"));
        // Postgres looks each symbol up in the library when its function is created.
        let symbols = "SELECT count(*) FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
             WHERE p.pronamespace = 'deed'::regnamespace AND l.lanname = 'c'";
        let symbols: i64 = updated.query_one(symbols, &[]).expect(symbols).get(0);
        assert!(symbols > 0, "{version} has functions in the library");
        update(&mut updated);
        assert_alike(&catalog::describe(&mut updated), &bare_new);

        // Also with what a database gets beside the extension, once or twice.
        for _ in 0..2 {
            postgres.apply_scripts(&name).expect("set up");
        }
        assert_alike(&catalog::describe(&mut updated), &with_grants);
        println!(
            "{} lines about the catalog alike, {symbols} functions of {version} with their symbols",
            with_grants.len()
        );
    }
}

/// All that 0.1.0 could tell: documents live, deleted and unknown, one wide and one almost, grants that
/// were revoked, have expired or will.
fn events_of_0_1_0(clock: &mut Clock) -> Vec<Event> {
    let [anne, bob, link, team] = ["anne", "bob", "link", "team"].map(id);
    let [plan, trash, unborn] = ["plan", "trash", "unborn"].map(id);
    let mut events = vec![
        clock.registered(anne, "user", "Anne"),
        clock.registered(link, "anonymous", "A link"),
        clock.registered(team, "group", "Team"),
        clock.created(plan, anne, "Plan"),
        clock.granted(plan, bob, "editor", anne),
        clock.granted(plan, link, "viewer", anne),
        clock.revoked(plan, link, anne),
        clock.granted_until(plan, team, "viewer", anne, "2020-01-01T00:00:00Z"),
        clock.granted(unborn, bob, "owner", anne),
        clock.created(trash, anne, "Trash"),
        clock.granted(trash, bob, "viewer", anne),
        clock.granted(trash, EVERYONE, "viewer", anne),
        clock.deleted(trash, bob),
    ];
    // With the creator's and those named below `almost` has 100, the most that is not wide.
    for (document, others) in [("almost", 98), ("wide", 100), ("wide trash", 120)] {
        let document = id(document);
        events.push(clock.created(document, anne, "Many"));
        events.push(clock.granted_until(document, bob, "owner", anne, "9999-01-01T00:00:00Z"));
        for n in 1..others {
            let other = id(&format!("other {n}"));
            events.push(clock.granted(document, other, "viewer", anne));
            if n % 9 == 0 {
                events.push(clock.revoked(document, other, anne));
            }
        }
    }
    events.push(clock.granted(id("almost"), USERS, "editor", anne));
    events.push(clock.deleted(id("wide trash"), anne));
    events
}

#[test]
fn a_filled_database_goes_on_after_the_update() {
    let postgres = shared_postgres();
    let name = "upgrade_filled";
    // Roles belong to the cluster, so another database brings them.
    postgres.create_database("upgrade_roles").expect("roles");
    let mut admin = bare(postgres, name, "VERSION '0.1.0'");
    admin.batch_execute(old::GRANTS).expect("grants");
    let mut clock = Clock::default();
    let mut events = events_of_0_1_0(&mut clock);
    old::write(&mut admin, &events);
    let unread = clock.member_added(id("team"), id("cara"));
    let broken = clock.event("document.invented", id("plan"), json!({}));
    old::quarantine(&mut admin, 3, &unread);
    old::quarantine(&mut admin, 5, &broken);
    old::position(&mut admin, 7);

    // The files are new, the objects old: nothing is answered or applied by wrong rules.
    let login = connect(&postgres.consumer_url(name)).expect("the consumer's login");
    let mut owner = Owner::claim(login, 0).expect("claimed");
    let next = clock.granted(id("plan"), id("dora"), "owner", id("anne"));
    let code = |error: postgres::Error| error.code().map(|code| code.code().to_owned());
    let refused = owner.apply(&[next.structured()]).expect_err("not updated");
    assert_eq!(
        code(refused).as_deref(),
        Some("42703"),
        "a column is missing"
    );
    let check = "SELECT deed.has_permission(deed.everyone(), deed.everyone(), 'viewer')";
    let refused = admin.query_one(check, &[]).expect_err("not updated");
    assert_eq!(
        code(refused).as_deref(),
        Some("PD020"),
        "an index is missing"
    );

    update(&mut admin);
    let subjects = Subjects {
        principals: vec![
            id("anne"),
            id("bob"),
            id("cara"),
            id("dora"),
            id("link"),
            id("team"),
            id("other 1"),
            id("other 9"),
            EVERYONE,
            USERS,
        ],
        documents: ["plan", "trash", "unborn", "almost", "wide", "wide trash"]
            .map(id)
            .to_vec(),
    };
    let mut ground = Ground::over(name);
    let judged = ground.judge(&events, &subjects, 7);
    judged.unwrap_or_else(|difference| panic!("the rows of 0.1.0: {difference}"));
    let updated = Snapshot::take(&mut admin);

    // The consumer that was there goes on, by the calls of 0.1.0, and finds all as it left it.
    let records: Vec<_> = events.iter().map(Event::binary).collect();
    owner.apply(&records).expect("applied again");
    Snapshot::take(&mut admin).assert_equals(&updated, "the same events again");
    owner.apply(&[next.structured()]).expect("applied");
    events.push(next);
    let ids = "SELECT id, outcome::text FROM deed.redrive(array(SELECT id FROM deed.quarantine)) ORDER BY id";
    let redriven = admin.query(ids, &[]).expect("redriven");
    let outcomes: Vec<String> = redriven.iter().map(|row| row.get(1)).collect();
    assert_eq!(outcomes, ["applied", "rejected"]);
    events.push(unread);
    let later = [
        clock.restored(id("wide trash"), id("anne")),
        clock.updated(id("wide"), id("bob"), json!({ "title": "Wider" })),
        clock.granted(id("almost"), id("team"), "viewer", id("anne")),
        clock.removed(id("bob")),
        clock.promoted(id("link"), id("dora")),
        clock.purged(id("trash"), id("anne")),
    ];
    owner
        .apply(&later.each_ref().map(Event::structured))
        .expect("applied");
    events.extend(later);
    let judged = ground.judge(&events, &subjects, 7);
    judged.unwrap_or_else(|difference| panic!("what came later: {difference}"));

    // What was granted before is no part of the extension, so a dump brings it along.
    postgres.apply_scripts(name).expect("set up");
    let mut set_up = postgres.admin("upgrade_roles").expect("connection");
    let expected = catalog::describe(&mut set_up);
    assert_alike(&catalog::describe(&mut admin), &expected);
    let tables = Snapshot::take(&mut admin);
    let file = std::env::temp_dir().join(format!("deed-upgraded-{}.dump", std::process::id()));
    let mut dump = postgres.program("pg_dump");
    dump.args(["--format=custom", "--file"]).arg(&file);
    run(dump.arg(postgres.admin_url(name)), None).expect("dumped");
    postgres
        .create_bare_database("upgrade_restored")
        .expect("database");
    let mut restore = postgres.program("pg_restore");
    restore.args(["--exit-on-error", "--dbname"]);
    restore
        .arg(postgres.admin_url("upgrade_restored"))
        .arg(&file);
    run(&restore, None).expect("restored");
    std::fs::remove_file(&file).expect("removed");
    let mut restored = postgres.admin("upgrade_restored").expect("connection");
    assert_alike(&catalog::describe(&mut restored), &expected);
    Snapshot::take(&mut restored).assert_equals(&tables, "restored");
}
