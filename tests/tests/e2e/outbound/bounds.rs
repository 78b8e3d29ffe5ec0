//! Much that hangs on one event: it applies in a few rows, and what follows is settled in bounded steps, between which others
//! come to their turn.

use deed_tests::event::{Clock, Event, id};
use deed_tests::outbound::settle_once;
use postgres::Client;
use uuid::Uuid;

use crate::ground::Ground;

const RELAY: Uuid = Uuid::from_u128(0xe1);
const MANY: i64 = 100_000;
const MEMBERS: i64 = 10_000;
/// Of each kind of work in one step.
const PAGE: i64 = 1_000;

fn apply(client: &mut Client, event: &Event) {
    let envelope = event.envelope().to_string();
    client
        .execute("SELECT deed.apply($1::text::jsonb)", &[&envelope])
        .expect("applied");
}

fn one(client: &mut Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).expect(sql).get(0)
}

fn run(client: &mut Client, sql: &str) {
    client.batch_execute(sql).expect(sql);
}

/// Applies what much hangs on, and settles it while another session applies something between any two steps; how many events
/// of that type followed.
fn follow(ground: &mut Ground, event: &Event, kind: &str) -> i64 {
    let mut clock = Clock::default();
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
    let mut before = 0;
    let mut steps = 0;
    loop {
        let more = settle_once(client, RELAY);
        let now = one(client, &of_kind);
        assert!(now - before <= PAGE, "a step told {} at once", now - before);
        before = now;
        steps += 1;
        if !more {
            break;
        }
        if steps % 20 == 0 {
            let document = id(&format!("meanwhile {steps}"));
            apply(&mut other, &clock.created(document, id("somebody"), "Plan"));
        }
    }
    println!("{}: {before} events of {kind} in {steps} steps", event.kind);
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
    let orphans = follow(&mut ground, &clock.removed(owner), "deed.document.orphaned");
    assert_eq!(orphans, MANY);
    let again = follow(
        &mut ground,
        &clock.principal_restored(owner),
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
    let joined = follow(&mut ground, &clock.member_added(firm, team), kind);
    assert_eq!(joined, MEMBERS);
    let everyone = clock.granted(plan, Uuid::from_u128(1), "viewer", anne);
    assert_eq!(follow(&mut ground, &everyone, kind), MANY - MEMBERS);
    assert_eq!(follow(&mut ground, &clock.deleted(plan, anne), kind), MANY);
}
