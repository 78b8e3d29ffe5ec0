//! Memberships, and what passes through them.

use super::{ANNE, BOB, FIRM, History, LINK, PLAN, TEAM, UNIT};
use crate::event::Clock;

pub fn all() -> Vec<History> {
    let clock = &mut Clock::default();
    vec![
        (
            "a member before its group, a grant before its document",
            vec![
                clock.member_added(TEAM, ANNE),
                clock.granted(PLAN, TEAM, "editor", BOB),
                clock.registered(TEAM, "group", "Team"),
                clock.created(PLAN, BOB, "Plan"),
                clock.member_removed(TEAM, ANNE),
                clock.member_added(TEAM, ANNE),
            ],
        ),
        (
            "the middle of a chain is removed and restored",
            vec![
                clock.created(PLAN, BOB, "Plan"),
                clock.granted(PLAN, FIRM, "viewer", BOB),
                clock.member_added(TEAM, ANNE),
                clock.member_added(FIRM, TEAM),
                clock.removed(TEAM),
                clock.principal_restored(TEAM),
            ],
        ),
        (
            "a cycle of groups, cut once",
            vec![
                clock.member_added(UNIT, TEAM),
                clock.member_added(FIRM, UNIT),
                clock.member_added(TEAM, FIRM),
                clock.member_added(TEAM, ANNE),
                clock.granted(PLAN, UNIT, "viewer", BOB),
                clock.member_removed(UNIT, TEAM),
            ],
        ),
        (
            "a link with a member of its own, and a group that is its own member",
            vec![
                clock.promoted(LINK, BOB),
                clock.member_added(LINK, ANNE),
                clock.member_added(TEAM, TEAM),
                clock.member_added(TEAM, LINK),
                clock.granted(PLAN, TEAM, "owner", ANNE),
            ],
        ),
    ]
}
