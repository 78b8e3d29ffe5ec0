//! Expiry: one event a grant and one a watched level, when its time has come.

use deed_tests::event::{Clock, id};
use deed_tests::outbound::{Told, outbox, settle, watch};
use deed_tests::owner::apply;
use postgres::Client;
use uuid::Uuid;

use crate::ground::{Ground, ahead, wait_until_past};

const RELAY: Uuid = Uuid::from_u128(0xe1);

/// What was told of one type, as levels before and after.
fn levels(told: &[Told], kind: &str) -> Vec<(Option<String>, Option<String>)> {
    let level = |told: &Told, name: &str| told.data[name].as_str().map(str::to_owned);
    told.iter()
        .filter(|told| told.kind == kind)
        .map(|told| (level(told, "old_level"), level(told, "new_level")))
        .collect()
}

fn some(level: &str) -> Option<String> {
    Some(level.to_owned())
}

#[test]
fn a_grant_that_expires_is_told_once_and_leaves_the_lists() {
    let mut ground = Ground::new("outbound_expiry");
    let [plan, anne, bob, cara] = ["plan", "anne", "bob", "cara"].map(id);
    let mut clock = Clock::default();
    let soon = ahead(ground.client(), "1 second");
    let client = ground.client();
    apply(client, &clock.created(plan, anne, "Plan"));
    for recipient in [bob, cara] {
        apply(
            client,
            &clock.granted_until(plan, recipient, "editor", anne, &soon),
        );
    }
    apply(client, &clock.granted(plan, id("team"), "viewer", anne));
    apply(client, &clock.member_added(id("team"), bob));
    assert_eq!(watch(client, bob, plan, ""), some("editor"));
    settle(client, RELAY);
    client
        .execute("DELETE FROM deed.outbox", &[])
        .expect("taken");
    // Whoever is down meanwhile tells of it afterwards.
    wait_until_past(client, &soon);
    settle(client, RELAY);
    settle(client, RELAY);
    let told = outbox(client);
    let expired = vec![(some("editor"), None); 2];
    assert_eq!(levels(&told, "deed.permission.updated"), expired);
    assert_eq!(
        levels(&told, "deed.access.changed"),
        [(some("editor"), some("viewer"))]
    );
    assert!(
        told.iter().all(|told| told.data["cause"].is_null()),
        "{told:?}"
    );
    let listed = "SELECT count(*) FROM deed.listing WHERE expires_at IS NOT NULL";
    let listed: i64 = client.query_one(listed, &[]).expect(listed).get(0);
    assert_eq!(listed, 0);
    deed_tests::derived::assert_follow(client, "behind an expiry");

    // Granted again it is listed and told again.
    apply(client, &clock.granted(plan, bob, "editor", anne));
    let told = outbox(client);
    let last = levels(&told, "deed.permission.updated").pop();
    assert_eq!(last, Some((None, some("editor"))));
    deed_tests::derived::assert_follow(client, "behind another grant");
}

#[test]
fn an_expiry_that_was_overtaken_is_not_told() {
    let mut ground = Ground::new("outbound_overtaken");
    let [plan, anne, bob, cara, dora] = ["plan", "anne", "bob", "cara", "dora"].map(id);
    let mut clock = Clock::default();
    let soon = ahead(ground.client(), "700 milliseconds");
    let client = ground.client();
    apply(client, &clock.created(plan, anne, "Plan"));
    for recipient in [bob, cara, dora] {
        apply(
            client,
            &clock.granted_until(plan, recipient, "viewer", anne, &soon),
        );
    }
    apply(client, &clock.revoked(plan, bob, anne));
    apply(client, &clock.granted(plan, cara, "viewer", anne));
    client
        .execute("DELETE FROM deed.outbox", &[])
        .expect("taken");
    wait_until_past(client, &soon);
    // Its time has come, and nobody has told of it yet.
    apply(client, &clock.granted(plan, dora, "editor", anne));
    settle(client, RELAY);
    let told = outbox(client);
    assert_eq!(
        levels(&told, "deed.permission.updated"),
        [(some("viewer"), some("editor"))]
    );
}

#[test]
fn an_owner_whose_grant_expires_leaves_an_orphan() {
    let mut ground = Ground::new("outbound_orphan_expires");
    let [plan, anne, bob] = ["plan", "anne", "bob"].map(id);
    let mut clock = Clock::default();
    let soon = ahead(ground.client(), "500 milliseconds");
    let client = ground.client();
    apply(client, &clock.created(plan, anne, "Plan"));
    apply(
        client,
        &clock.granted_until(plan, bob, "owner", anne, &soon),
    );
    apply(client, &clock.revoked(plan, anne, anne));
    settle(client, RELAY);
    let orphaned = |client: &mut Client| {
        let told = outbox(client);
        told.iter()
            .filter(|told| told.kind == "deed.document.orphaned")
            .count()
    };
    assert_eq!(orphaned(client), 0);
    wait_until_past(client, &soon);
    settle(client, RELAY);
    settle(client, RELAY);
    assert_eq!(orphaned(client), 1);
}

/// What was due is granted anew by a transaction that is still open when the relay looks.
#[test]
fn an_expiry_that_is_overtaken_at_the_last_moment_is_not_told() {
    let mut ground = Ground::new("outbound_last_moment");
    let [plan, anne, bob] = ["plan", "anne", "bob"].map(id);
    let mut clock = Clock::default();
    let soon = ahead(ground.client(), "300 milliseconds");
    let mut other = ground.session();
    let client = ground.client();
    apply(client, &clock.created(plan, anne, "Plan"));
    apply(
        client,
        &clock.granted_until(plan, bob, "viewer", anne, &soon),
    );
    client
        .execute("DELETE FROM deed.outbox", &[])
        .expect("taken");
    wait_until_past(client, &soon);
    other.batch_execute("BEGIN").expect("begun");
    apply(&mut other, &clock.granted(plan, bob, "editor", anne));
    settle(client, RELAY);
    assert_eq!(outbox(client), []);
    other.batch_execute("COMMIT").expect("committed");
    settle(client, RELAY);
    let told = outbox(client);
    assert_eq!(
        levels(&told, "deed.permission.updated"),
        [(some("viewer"), some("editor"))]
    );
    deed_tests::derived::assert_follow(client, "behind an expiry that was overtaken");
}
