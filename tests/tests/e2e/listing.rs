//! The derived table of lists, where something outside the product has to do with it.

use deed_tests::event::{Clock, id};
use serde_json::json;

use crate::ground::Ground;

/// Whoever replicates a database logically publishes all of it.
#[test]
fn applying_goes_on_in_a_database_that_is_published() {
    let mut ground = Ground::new("listing_published");
    let client = ground.client();
    let publication = "CREATE PUBLICATION everything FOR ALL TABLES";
    client.batch_execute(publication).expect(publication);
    let clock = &mut Clock::default();
    let [plan, anne, bob] = ["plan", "anne", "bob"].map(id);
    let events = [
        clock.created(plan, anne, "Plan"),
        clock.registered(bob, "user", "Bob"),
        clock.granted(plan, bob, "viewer", anne),
        clock.member_added(id("team"), bob),
        clock.member_added(id("firm"), id("team")),
        clock.updated(plan, anne, json!({ "title": "Other" })),
        clock.deleted(plan, anne),
        clock.restored(plan, anne),
        clock.member_removed(id("firm"), id("team")),
        clock.revoked(plan, bob, anne),
        clock.purged(plan, anne),
    ];
    let mut owner = ground.owner(0);
    for event in &events {
        let applied = owner.apply(&[event.structured()]);
        applied.unwrap_or_else(|error| panic!("{event:?}: {error:?}"));
    }
}

/// A row that was left over, by hand or by half a restore, stops no partition.
#[test]
fn a_stray_row_stops_nobody() {
    let mut ground = Ground::new("listing_stray");
    let clock = &mut Clock::default();
    let [plan, anne] = ["plan", "anne"].map(id);
    let mut owner = ground.owner(0);
    let created = [clock.created(plan, anne, "Plan"), clock.deleted(plan, anne)];
    owner
        .apply(&created.map(|event| event.structured()))
        .expect("applied");
    let stray =
        "INSERT INTO deed.listing SELECT p.recipient_id, p.level, d.last_modified, d.id, now()
        FROM deed.document AS d JOIN deed.permission AS p ON p.document_id = d.id";
    ground.client().batch_execute(stray).expect(stray);
    let restored = clock.restored(plan, anne);
    owner.apply(&[restored.structured()]).expect("applied");
    let differences = deed_tests::derived::differences(ground.client());
    assert_eq!(differences, Vec::<String>::new());
}
