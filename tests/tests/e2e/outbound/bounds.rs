//! Much that hangs on one event: it applies in a few rows, and what follows is settled in bounded steps, between which others
//! come to their turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use deed_tests::event::{Clock, Event, id};
use deed_tests::outbound::settle_once;
use deed_tests::owner::apply;
use postgres::Client;
use serde_json::json;
use uuid::Uuid;

use super::End;
use crate::ground::Ground;

const RELAY: Uuid = Uuid::from_u128(0xe1);
const MANY: i64 = 100_000;
const MEMBERS: i64 = 10_000;
/// Of each kind of mark in one step, of which three are about levels.
const PAGE: i64 = 3 * 1_000;

fn one(client: &mut Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).expect(sql).get(0)
}

fn run(client: &mut Client, sql: &str) {
    client.batch_execute(sql).expect(sql);
}

/// Applies what much hangs on, and settles it while another session goes on applying to the same document; how many events of that
/// type followed.
fn follow(ground: &mut Ground, event: &Event, document: Uuid, kind: &str) -> i64 {
    let mut other = ground.session();
    let client = ground.client();
    run(client, "DELETE FROM deed.mark; TRUNCATE deed.outbox");
    apply(client, event);
    let marks = one(client, "SELECT count(*) FROM deed.mark");
    let told = one(client, "SELECT count(*) FROM deed.outbox");
    assert!(
        marks <= 4 && told <= 1,
        "{event:?} left {marks} marks and {told} events"
    );
    let of_kind = format!("SELECT count(*) FROM deed.outbox WHERE type = '{kind}'");
    let (mut before, mut steps) = (0, 0);
    let end = AtomicBool::new(false);
    let applied = thread::scope(|scope| {
        let applying = scope.spawn(|| {
            // Else it would be held up by more than a step.
            run(&mut other, "SET lock_timeout = '2s'");
            let mut clock = Clock::default();
            let mut applied = 0;
            while !end.load(Ordering::Relaxed) {
                let title = json!({ "title": applied.to_string() });
                apply(&mut other, &clock.updated(document, id("somebody"), title));
                applied += 1;
            }
            applied
        });
        let ending = End(&end);
        let mut idle = 0;
        // What another session has locked just then is looked at again.
        while idle < 3 {
            let more = settle_once(client, RELAY);
            let now = one(client, &of_kind);
            assert!(now - before <= PAGE, "a step told {} at once", now - before);
            let left = one(client, "SELECT count(*) FROM deed.mark");
            idle = if more || left > 0 { 0 } else { idle + 1 };
            before = now;
            steps += 1;
        }
        drop(ending);
        applying.join().expect("applied")
    });
    println!(
        "{}: {before} events of {kind} in {steps} steps, {applied} events applied meanwhile",
        event.kind
    );
    assert!(applied > 0);
    before
}

#[test]
fn the_owner_of_many_documents_is_removed() {
    let mut ground = Ground::new("outbound_many_owned");
    let mut clock = Clock::default();
    let owner = id("owner");
    let fill = format!(
        "INSERT INTO deed.document (id, created_at, last_modified)
           SELECT md5('d' || n)::uuid, now(), now() FROM generate_series(1, {MANY}) AS n;
         INSERT INTO deed.permission (document_id, recipient_id, version, level, granted_at, expired)
           SELECT md5('d' || n)::uuid, '{owner}', '\\x00', 'owner', now(), false FROM generate_series(1, {MANY}) AS n;
         ANALYZE deed.document, deed.permission"
    );
    run(ground.client(), &fill);
    let first: Uuid = {
        let first = ground
            .client()
            .query_one("SELECT min(id::text)::uuid FROM deed.document", &[]);
        first.expect("a document").get(0)
    };
    let orphans = follow(
        &mut ground,
        &clock.removed(owner),
        first,
        "deed.document.orphaned",
    );
    assert_eq!(orphans, MANY);
    let again = follow(
        &mut ground,
        &clock.principal_restored(owner),
        first,
        "deed.document.orphaned",
    );
    assert_eq!(again, 0);
    assert_eq!(one(ground.client(), "SELECT count(*) FROM deed.orphan"), 0);
}

#[test]
fn many_watch_one_document_and_many_are_in_one_group() {
    let mut ground = Ground::new("outbound_many_watched");
    let mut clock = Clock::default();
    let [plan, anne, team, firm] = ["plan", "anne", "team", "firm"].map(id);
    let events = [
        clock.created(plan, anne, "Plan"),
        clock.member_added(team, id("one of many")),
        clock.granted(plan, firm, "viewer", anne),
    ];
    for event in &events {
        apply(ground.client(), event);
    }
    // All of the group's members are watched, and many others.
    let fill = format!(
        "INSERT INTO deed.membership (group_id, member_id, version, removed, changed_at)
           SELECT '{team}', md5('p' || n)::uuid, '\\x00', false, now() FROM generate_series(1, {MEMBERS}) AS n;
         INSERT INTO deed.lease SELECT '{plan}', md5('p' || n)::uuid, '', 'infinity' FROM generate_series(1, {MANY}) AS n;
         INSERT INTO deed.watched SELECT '{plan}', md5('p' || n)::uuid FROM generate_series(1, {MANY}) AS n;
         ANALYZE deed.membership, deed.lease, deed.watched"
    );
    run(ground.client(), &fill);
    let kind = "deed.access.changed";
    let joined = follow(&mut ground, &clock.member_added(firm, team), plan, kind);
    assert_eq!(joined, MEMBERS);
    let everyone = clock.granted(plan, Uuid::from_u128(1), "viewer", anne);
    assert_eq!(follow(&mut ground, &everyone, plan, kind), MANY - MEMBERS);
    assert_eq!(
        follow(&mut ground, &clock.deleted(plan, anne), plan, kind),
        MANY
    );
}
