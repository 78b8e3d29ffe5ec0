//! Two transactions that don't see each other, step by step.

use deed_tests::event::{Clock, Event, id};
use deed_tests::outbound::{outbox, settle, watch};
use postgres::Client;
use uuid::Uuid;

use crate::ground::Ground;

const RELAY: Uuid = Uuid::from_u128(0xe1);

fn apply(client: &mut Client, event: &Event) {
    let envelope = event.envelope().to_string();
    client
        .execute("SELECT deed.apply($1::text::jsonb)", &[&envelope])
        .expect("applied");
}

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
