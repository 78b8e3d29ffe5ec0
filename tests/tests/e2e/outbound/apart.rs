//! Two transactions that don't see each other, step by step.

use deed_tests::event::{Clock, id};
use deed_tests::outbound::{outbox, settle, watch};
use deed_tests::owner::apply;
use postgres::Client;
use uuid::Uuid;

use crate::ground::{Ground, ahead, wait_until_past};

const RELAY: Uuid = Uuid::from_u128(0xe1);

fn run(client: &mut Client, sql: &str) {
    client.batch_execute(sql).expect(sql);
}

/// The changes of levels that were told.
fn changes(client: &mut Client) -> Vec<(Option<String>, Option<String>)> {
    settle(client, RELAY);
    let level = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let told = outbox(client);
    told.iter()
        .filter(|told| told.kind == "deed.access.changed")
        .map(|told| {
            (
                level(&told.data["old_level"]),
                level(&told.data["new_level"]),
            )
        })
        .collect()
}

fn viewer() -> Option<String> {
    Some("viewer".to_owned())
}

#[test]
fn a_change_that_a_new_watch_could_not_see_is_told() {
    let mut ground = Ground::new("outbound_unseen");
    let mut clock = Clock::default();
    let [plan, anne, bob, team] = ["plan", "anne", "bob", "team"].map(id);
    let mut watching = ground.session();
    let client = ground.client();
    apply(client, &clock.created(plan, anne, "Plan"));
    apply(client, &clock.granted(plan, team, "viewer", anne));
    run(&mut watching, "BEGIN");
    assert_eq!(watch(&mut watching, bob, plan, ""), None);
    // Nobody is seen to watch it yet, so what this marks leads to nothing.
    apply(client, &clock.member_added(team, bob));
    assert_eq!(changes(client), []);
    run(&mut watching, "COMMIT");
    assert_eq!(changes(client), [(None, viewer())]);
}

#[test]
fn what_two_transactions_bring_about_together_is_told() {
    let mut ground = Ground::new("outbound_together");
    let mut clock = Clock::default();
    let [plan, anne, bob, team, firm] = ["plan", "anne", "bob", "team", "firm"].map(id);
    let mut other = ground.session();
    let client = ground.client();
    apply(client, &clock.created(plan, anne, "Plan"));
    apply(client, &clock.member_added(firm, id("somebody")));
    watch(client, bob, plan, "");
    // One makes him a member, the other gives to the group; a third one makes the group a member.
    run(&mut other, "BEGIN");
    apply(&mut other, &clock.member_added(team, bob));
    apply(client, &clock.granted(plan, firm, "viewer", anne));
    assert_eq!(changes(client), []);
    run(&mut other, "COMMIT; BEGIN");
    assert_eq!(changes(client), []);
    apply(&mut other, &clock.member_added(firm, team));
    run(&mut other, "COMMIT");
    assert_eq!(changes(client), [(None, viewer())]);
}

#[test]
fn an_owner_who_is_removed_while_a_document_is_created_leaves_an_orphan() {
    let mut ground = Ground::new("outbound_unowned");
    let mut clock = Clock::default();
    let [plan, anne] = ["plan", "anne"].map(id);
    let mut other = ground.session();
    let client = ground.client();
    run(&mut other, "BEGIN");
    apply(&mut other, &clock.created(plan, anne, "Plan"));
    apply(client, &clock.removed(anne));
    settle(client, RELAY);
    run(&mut other, "COMMIT");
    settle(client, RELAY);
    let told = outbox(client);
    let orphaned = told
        .iter()
        .filter(|told| told.kind == "deed.document.orphaned");
    assert_eq!(orphaned.count(), 1);
}

/// Somebody has a document locked for long: what is told of others goes out, and what is told of that one when it is free.
#[test]
fn an_open_transaction_holds_up_nothing_but_its_own_document() {
    let mut ground = Ground::new("outbound_open");
    let mut clock = Clock::default();
    let [plan, note, anne, bob] = ["plan", "note", "anne", "bob"].map(id);
    let soon = ahead(ground.client(), "300 milliseconds");
    let mut other = ground.session();
    let client = ground.client();
    for document in [plan, note] {
        apply(client, &clock.created(document, anne, "Plan"));
        apply(
            client,
            &clock.granted_until(document, id("cara"), "viewer", anne, &soon),
        );
        watch(client, bob, document, "");
        watch(client, bob, document, "ends");
    }
    settle(client, RELAY);
    run(&mut other, "BEGIN");
    apply(
        &mut other,
        &clock.updated(plan, anne, serde_json::json!({ "title": "Mine" })),
    );
    run(
        client,
        "UPDATE deed.lease SET until = '-infinity' WHERE watcher = 'ends'; SET lock_timeout = '5s'",
    );
    apply(client, &clock.granted(note, bob, "viewer", anne));
    // By what stands under no document's lock.
    apply(client, &clock.removed(anne));
    wait_until_past(client, &soon);
    let told = |client: &mut Client, kind: &str| -> Vec<Uuid> {
        settle(client, RELAY);
        let told = outbox(client);
        told.iter()
            .filter(|told| told.kind == kind)
            .map(|told| told.subject)
            .collect()
    };
    assert_eq!(told(client, "deed.access.changed"), [note]);
    assert_eq!(told(client, "deed.document.orphaned"), [note]);
    let left = "SELECT array_agg(document_id) FROM deed.lease WHERE watcher = 'ends'";
    let leases = |client: &mut Client| -> Option<Vec<Uuid>> {
        client.query_one(left, &[]).expect(left).get(0)
    };
    assert_eq!(leases(client), Some(vec![plan]));
    let expired = "SELECT array_agg(document_id) FROM deed.permission WHERE expired";
    let of: Vec<Uuid> = client.query_one(expired, &[]).expect(expired).get(0);
    assert_eq!(of, [note]);
    run(&mut other, "COMMIT");
    assert_eq!(told(client, "deed.document.orphaned"), [note, plan]);
    assert_eq!(leases(client), None);
    let of: Vec<Uuid> = client.query_one(expired, &[]).expect(expired).get(0);
    assert_eq!(of.len(), 2);
}

/// A lease is prolonged before it ends, by a transaction that commits behind that; meanwhile the level changes, and the relay
/// looks. Also with another watcher who begins meanwhile.
#[test]
fn a_lease_that_is_prolonged_unseen_is_told_of_the_change() {
    for is_joined in [false, true] {
        let mut ground = Ground::new(&format!("outbound_prolonged_{is_joined}"));
        let mut clock = Clock::default();
        let [plan, anne, bob] = ["plan", "anne", "bob"].map(id);
        let mut watching = ground.session();
        let client = ground.client();
        apply(client, &clock.created(plan, anne, "Plan"));
        apply(client, &clock.granted(plan, bob, "viewer", anne));
        watch(client, bob, plan, "one");
        settle(client, RELAY);
        let end = ahead(client, "1 second");
        run(client, &format!("UPDATE deed.lease SET until = '{end}'"));
        run(&mut watching, "BEGIN");
        assert_eq!(watch(&mut watching, bob, plan, "one"), viewer());
        wait_until_past(client, &end);
        apply(client, &clock.revoked(plan, bob, anne));
        assert_eq!(changes(client), []);
        if is_joined {
            assert_eq!(watch(client, bob, plan, "other"), viewer());
        }
        run(&mut watching, "COMMIT");
        assert_eq!(changes(client), [(viewer(), None)], "joined: {is_joined}");
    }
}
