//! Users and links: registered, promoted, removed.

use serde_json::json;

use super::{ANNE, BOB, History, LINK, PLAN};
use crate::event::Clock;

pub fn all() -> Vec<History> {
    let clock = &mut Clock::default();
    vec![
        (
            "promoted before registered, the link's grant last",
            vec![
                clock.promoted(LINK, ANNE),
                clock.created(PLAN, BOB, "Plan"),
                clock.registered(LINK, "anonymous", "A link"),
                clock.registered(ANNE, "user", "Anne"),
                clock.granted(PLAN, LINK, "editor", BOB),
            ],
        ),
        (
            "a link promoted twice belongs to the later user",
            vec![
                clock.created(PLAN, ANNE, "Plan"),
                clock.granted(PLAN, LINK, "viewer", ANNE),
                clock.promoted(LINK, ANNE),
                clock.promoted(LINK, BOB),
                clock.removed(LINK),
            ],
        ),
        (
            "partial updates of a principal, null clearing",
            vec![
                clock.registered(ANNE, "user", "Anne"),
                clock.principal_updated(ANNE, json!({ "description": "Sales" })),
                clock.principal_updated(ANNE, json!({ "name": null })),
                clock.principal_updated(ANNE, json!({})),
                clock.principal_updated(ANNE, json!({ "name": "Ann", "description": null })),
            ],
        ),
        (
            "registered twice as another kind, between an update",
            vec![
                clock.principal_updated(LINK, json!({ "name": "Early" })),
                clock.registered(LINK, "anonymous", "A link"),
                clock.principal_updated(LINK, json!({ "token_sha256": "AB".repeat(32) })),
                clock.registered(LINK, "user", "Somebody"),
            ],
        ),
        (
            "removed, restored and registered again: that brings nobody back",
            vec![
                clock.registered(ANNE, "user", "Anne"),
                clock.principal_restored(ANNE),
                clock.removed(ANNE),
                clock.registered(ANNE, "user", "Anne again"),
                clock.created(PLAN, ANNE, "Plan"),
            ],
        ),
    ]
}
