//! Grants on one document.

use super::{ANNE, BOB, EVERYONE, FUTURE, History, PAST, PLAN, TEAM, USERS};
use crate::event::Clock;

pub fn all() -> Vec<History> {
    let clock = &mut Clock::default();
    vec![
        (
            "the creator's owner grant yields to a later transfer",
            vec![
                clock.created(PLAN, ANNE, "Plan"),
                clock.granted(PLAN, BOB, "owner", ANNE),
                clock.granted(PLAN, ANNE, "viewer", BOB),
                clock.revoked(PLAN, ANNE, BOB),
            ],
        ),
        (
            "a transfer before the creation yields to the creator's grant",
            vec![
                clock.revoked(PLAN, ANNE, BOB),
                clock.granted(PLAN, BOB, "owner", BOB),
                clock.created(PLAN, ANNE, "Plan"),
            ],
        ),
        (
            "the level goes up, down and up again",
            vec![
                clock.created(PLAN, ANNE, "Plan"),
                clock.granted(PLAN, BOB, "viewer", ANNE),
                clock.granted(PLAN, BOB, "owner", ANNE),
                clock.granted(PLAN, BOB, "viewer", ANNE),
                clock.granted(PLAN, BOB, "editor", ANNE),
            ],
        ),
        (
            "an expiry is set, moved and taken away",
            vec![
                clock.created(PLAN, ANNE, "Plan"),
                clock.granted_until(PLAN, BOB, "editor", ANNE, FUTURE),
                clock.granted_until(PLAN, BOB, "editor", ANNE, PAST),
                clock.granted(PLAN, BOB, "editor", ANNE),
            ],
        ),
        (
            "revoked, granted again and expired",
            vec![
                clock.created(PLAN, ANNE, "Plan"),
                clock.granted(PLAN, BOB, "editor", ANNE),
                clock.revoked(PLAN, BOB, ANNE),
                clock.granted(PLAN, BOB, "viewer", ANNE),
                clock.granted_until(PLAN, BOB, "owner", ANNE, PAST),
            ],
        ),
        (
            "everyone and users receive, lose and receive",
            vec![
                clock.created(PLAN, ANNE, "Plan"),
                clock.granted(PLAN, EVERYONE, "viewer", ANNE),
                clock.granted(PLAN, USERS, "editor", ANNE),
                clock.registered(BOB, "user", "Bob"),
                clock.revoked(PLAN, EVERYONE, ANNE),
                clock.removed(BOB),
            ],
        ),
        (
            "the last owner goes, the document stays",
            vec![
                clock.created(PLAN, ANNE, "Plan"),
                clock.granted(PLAN, TEAM, "owner", ANNE),
                clock.removed(ANNE),
                clock.removed(TEAM),
                clock.principal_restored(TEAM),
            ],
        ),
    ]
}
