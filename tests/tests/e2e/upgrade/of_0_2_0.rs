//! A database that 0.2.0 has filled: its registers and derived rows are those of today but for what came since.

use deed_tests::answers::Subjects;
use deed_tests::event::{Clock, Event, id};
use deed_tests::snapshot::Snapshot;
use deed_tests::stage::shared_postgres;
use postgres::Client;
use std::io::{Read, Write};

use super::{bare, update};
use crate::ground::Ground;

const TABLES: [&str; 6] = [
    "document",
    "principal",
    "permission",
    "membership",
    "listing",
    "closure",
];

/// Copies what both have of a table.
fn copy(from: &mut Client, to: &mut Client, table: &str) {
    let columns = format!(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
         WHERE attrelid = 'deed.{table}'::regclass AND attnum > 0 AND NOT attisdropped"
    );
    let columns: String = to.query_one(&columns, &[]).expect("columns").get(0);
    // As they are called now.
    let now = columns
        .replace("deletion_version", "deleted_version")
        .replace("removal_version", "removed_version");
    let mut rows = Vec::new();
    from.copy_out(&format!("COPY deed.{table} ({now}) TO STDOUT"))
        .expect(table)
        .read_to_end(&mut rows)
        .expect(table);
    let mut into = to
        .copy_in(&format!("COPY deed.{table} ({columns}) FROM STDIN"))
        .expect(table);
    into.write_all(&rows).expect(table);
    into.finish().expect(table);
}

#[test]
fn what_0_2_0_has_filled_goes_on_after_the_update() {
    let [anne, bob, cara, link, team, firm, former, plan, trash] = [
        "anne", "bob", "cara", "link", "team", "firm", "former", "plan", "trash",
    ]
    .map(id);
    let clock = &mut Clock::default();
    let mut events = vec![
        clock.registered(anne, "user", "Anne"),
        clock.registered(team, "group", "Team"),
        clock.created(plan, anne, "Plan"),
        clock.created(trash, anne, "Trash"),
        clock.granted(plan, firm, "viewer", anne),
        clock.granted(plan, link, "editor", anne),
        clock.granted(plan, former, "editor", anne),
        clock.granted(trash, team, "viewer", anne),
        clock.member_added(team, bob),
        clock.member_added(firm, team),
        clock.promoted(link, cara),
        // Once a group, always one: whoever comes again finds what it holds.
        clock.member_added(former, bob),
        clock.member_removed(former, bob),
        clock.deleted(trash, anne),
    ];
    let subjects = Subjects {
        principals: vec![anne, bob, cara, link, team, firm, former],
        documents: vec![plan, trash],
    };
    let mut new = Ground::new("upgrade_0_2_0_new");
    let records: Vec<_> = events.iter().map(Event::structured).collect();
    new.owner(0).apply(&records).expect("applied");

    let name = "upgrade_0_2_0";
    let mut admin = bare(shared_postgres(), name, "VERSION '0.2.0'");
    for table in TABLES {
        copy(new.client(), &mut admin, table);
    }
    update(&mut admin);
    let mut ground = Ground::over(name);
    let judged = ground.judge(&events, &subjects, 3);
    judged.unwrap_or_else(|difference| panic!("the rows of 0.2.0: {difference}"));
    let expected = Snapshot::take(new.client());
    Snapshot::take(&mut admin).assert_equals(&expected, "updated");

    let later = [
        clock.member_added(former, cara),
        clock.member_added(team, cara),
        clock.restored(trash, anne),
    ];
    let records = later.each_ref().map(Event::structured);
    for ground in [&ground, &new] {
        ground.owner(1).apply(&records).expect("applied");
    }
    events.extend(later);
    let judged = ground.judge(&events, &subjects, 3);
    judged.unwrap_or_else(|difference| panic!("what came later: {difference}"));
    let expected = Snapshot::take(new.client());
    Snapshot::take(&mut admin).assert_equals(&expected, "what came later");
}
