//! The reference itself, against what each rule says in words.

use deed_model::event::{Clock, Event, FUTURE, PAST, small};
use deed_model::model::{Level, Model, Sort};
use serde_json::json;
use uuid::Uuid;

use Level::{Editor, Owner, Viewer};

const NOW: &str = "2026-06-01T00:00:00Z";
const PLAN: Uuid = small(0xd1);
const NOTE: Uuid = small(0xd2);
const ANNE: Uuid = small(0xa1);
const BOB: Uuid = small(0xa2);
const LINK: Uuid = small(0xa3);
const TEAM: Uuid = small(0xa4);
const FIRM: Uuid = small(0xa5);
const EVERYONE: Uuid = small(1);
const USERS: Uuid = small(2);

fn after(events: &[Event]) -> Model {
    let mut model = Model::default();
    // No two events here are equal in all but the digest.
    for event in events.iter().rev() {
        model.tell(event.clone(), [0; 32]);
    }
    model
}

#[test]
fn a_grant_waits_for_its_document_and_for_nobody_else() {
    let clock = &mut Clock::default();
    let mut events = vec![clock.granted(PLAN, BOB, "editor", ANNE)];
    assert_eq!(after(&events).level(BOB, PLAN, NOW), None);
    events.push(clock.created(PLAN, ANNE, "Plan"));
    assert_eq!(after(&events).level(BOB, PLAN, NOW), Some(Editor));
    assert_eq!(after(&events).level(ANNE, PLAN, NOW), Some(Owner));
    assert_eq!(
        after(&events).permissions(PLAN, NOW),
        [(ANNE, Owner), (BOB, Editor)]
    );
}

#[test]
fn an_expiry_ends_a_grant_at_its_instant() {
    let clock = &mut Clock::default();
    let until = |at| {
        let clock = &mut Clock::default();
        [
            clock.created(PLAN, ANNE, "Plan"),
            clock.granted_until(PLAN, BOB, "viewer", ANNE, at),
        ]
    };
    for (at, level) in [
        (PAST, None),
        (NOW, None),
        ("2026-06-01T00:00:00.000001Z", Some(Viewer)),
        (FUTURE, Some(Viewer)),
    ] {
        assert_eq!(after(&until(at)).level(BOB, PLAN, NOW), level, "{at}");
    }
    let owned_until = [
        clock.created(PLAN, ANNE, "Plan"),
        clock.granted_until(PLAN, ANNE, "owner", ANNE, PAST),
    ];
    assert_eq!(after(&owned_until).orphaned(NOW), [PLAN]);
}

#[test]
fn the_trash_hides_and_a_purge_ends() {
    let clock = &mut Clock::default();
    let mut events = vec![
        clock.created(PLAN, ANNE, "Plan"),
        clock.deleted(PLAN, ANNE),
        clock.created(NOTE, ANNE, "Note"),
        clock.deleted(NOTE, ANNE),
    ];
    let model = after(&events);
    assert_eq!(model.level(ANNE, PLAN, NOW), None);
    assert_eq!(model.deleted(ANNE, NOW), [NOTE, PLAN]);
    events.extend([clock.restored(PLAN, ANNE), clock.purged(NOTE, ANNE)]);
    let model = after(&events);
    assert_eq!(model.level(ANNE, PLAN, NOW), Some(Owner));
    assert!(model.deleted(ANNE, NOW).is_empty());
    let registers = model.registers();
    let of_note = registers.keys().filter(|key| key.contains("d2"));
    assert_eq!(of_note.count(), 1);
}

#[test]
fn a_chain_breaks_at_a_removed_group() {
    let clock = &mut Clock::default();
    let mut events = vec![
        clock.created(PLAN, BOB, "Plan"),
        clock.granted(PLAN, FIRM, "viewer", BOB),
        clock.member_added(TEAM, ANNE),
        clock.member_added(FIRM, TEAM),
    ];
    assert_eq!(after(&events).level(ANNE, PLAN, NOW), Some(Viewer));
    assert_eq!(
        after(&events).principals(PLAN, Viewer, NOW),
        [(ANNE, Viewer), (BOB, Owner)]
    );
    events.push(clock.removed(TEAM));
    let model = after(&events);
    assert_eq!(model.level(ANNE, PLAN, NOW), None);
    assert_eq!((model.members(FIRM), model.members(TEAM)), (vec![], vec![]));
    events.push(clock.principal_restored(TEAM));
    assert_eq!(after(&events).level(ANNE, PLAN, NOW), Some(Viewer));
}

#[test]
fn a_user_holds_what_its_link_holds() {
    let clock = &mut Clock::default();
    let mut events = vec![
        clock.promoted(LINK, ANNE),
        clock.created(PLAN, BOB, "Plan"),
        clock.granted(PLAN, TEAM, "editor", BOB),
        clock.member_added(TEAM, LINK),
    ];
    for principal in [ANNE, LINK] {
        assert_eq!(after(&events).level(principal, PLAN, NOW), Some(Editor));
    }
    events.push(clock.removed(LINK));
    for principal in [ANNE, LINK] {
        assert_eq!(after(&events).level(principal, PLAN, NOW), None);
    }
}

#[test]
fn everyone_reaches_all_and_users_the_registered_who_are_active() {
    let clock = &mut Clock::default();
    let mut events = vec![
        clock.created(PLAN, ANNE, "Plan"),
        clock.granted(PLAN, EVERYONE, "viewer", ANNE),
        clock.granted(PLAN, USERS, "editor", ANNE),
        clock.registered(BOB, "user", "Bob"),
        clock.registered(LINK, "anonymous", "A link"),
    ];
    let model = after(&events);
    for (principal, level) in [
        (EVERYONE, Viewer),
        (USERS, Editor),
        (BOB, Editor),
        (LINK, Viewer),
        (TEAM, Viewer),
    ] {
        assert_eq!(model.level(principal, PLAN, NOW), Some(level));
    }
    let listed = [(EVERYONE, Viewer), (USERS, Editor), (ANNE, Owner)];
    assert_eq!(model.principals(PLAN, Viewer, NOW), listed);
    assert_eq!(model.principals(PLAN, Editor, NOW), listed[1..]);
    events.push(clock.removed(BOB));
    assert_eq!(after(&events).level(BOB, PLAN, NOW), None);
}

#[test]
fn lists_are_ordered() {
    let clock = &mut Clock::default();
    let events = [
        clock.created(PLAN, ANNE, "Plan"),
        clock.created(NOTE, ANNE, "Note"),
        clock.updated(PLAN, BOB, json!({ "content": 1 })),
    ];
    let model = after(&events);
    let newest_first = model.documents(ANNE, Viewer, Sort::LastModified, NOW);
    assert_eq!(newest_first, [(PLAN, Owner), (NOTE, Owner)]);
    let by_id = model.documents(ANNE, Owner, Sort::Id, NOW);
    assert_eq!(by_id, [(PLAN, Owner), (NOTE, Owner)]);
    assert_eq!(model.documents(BOB, Viewer, Sort::Id, NOW), []);
}

#[test]
fn an_owner_that_lives_keeps_a_document_from_being_orphaned() {
    let clock = &mut Clock::default();
    let mut events = vec![
        clock.created(PLAN, ANNE, "Plan"),
        clock.granted(PLAN, USERS, "owner", ANNE),
        clock.granted(PLAN, TEAM, "owner", ANNE),
        clock.removed(ANNE),
    ];
    assert!(after(&events).orphaned(NOW).is_empty());
    events.push(clock.removed(TEAM));
    assert_eq!(after(&events).orphaned(NOW), [PLAN]);
    events.push(clock.deleted(PLAN, ANNE));
    assert!(after(&events).orphaned(NOW).is_empty());
}

#[test]
fn every_way_is_told_the_ones_that_count_first() {
    let clock = &mut Clock::default();
    let mut events = vec![
        clock.created(PLAN, BOB, "Plan"),
        clock.granted(PLAN, FIRM, "viewer", BOB),
        clock.granted(PLAN, LINK, "owner", BOB),
        clock.revoked(PLAN, ANNE, BOB),
        clock.member_added(TEAM, ANNE),
        clock.member_added(FIRM, TEAM),
        clock.member_added(TEAM, FIRM),
        clock.promoted(LINK, ANNE),
        clock.removed(LINK),
    ];
    let told = |events: &[Event]| -> Vec<(&str, Vec<Uuid>, Uuid, Option<Uuid>)> {
        let ways = after(events).explain(ANNE, PLAN, NOW);
        ways.into_iter()
            .map(|way| (way.reason, way.via, way.recipient, way.promoted_from))
            .collect()
    };
    let revoked = ("revoked", vec![], ANNE, None);
    let by_link = |reason| (reason, vec![], LINK, Some(LINK));
    let by_team = |reason| (reason, vec![TEAM], FIRM, None);
    let expected = [
        by_team("granted"),
        by_link("recipient_removed"),
        revoked.clone(),
    ];
    assert_eq!(told(&events), expected);
    events.extend([
        clock.member_removed(TEAM, ANNE),
        clock.principal_restored(LINK),
    ]);
    let expected = [by_link("granted"), by_team("member_removed"), revoked];
    assert_eq!(told(&events), expected);
}
