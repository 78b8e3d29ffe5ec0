//! What a document goes through.

use serde_json::json;

use super::{ANNE, BOB, History, PLAN};
use crate::event::Clock;

pub fn all() -> Vec<History> {
    let clock = &mut Clock::default();
    vec![
        (
            "create, grant, revoke, delete, restore, purge",
            vec![
                clock.created(PLAN, ANNE, "Plan"),
                clock.granted(PLAN, BOB, "editor", ANNE),
                clock.revoked(PLAN, BOB, ANNE),
                clock.deleted(PLAN, ANNE),
                clock.restored(PLAN, ANNE),
                clock.purged(PLAN, ANNE),
            ],
        ),
        (
            "a purge before everything ends what comes later too",
            vec![
                clock.purged(PLAN, ANNE),
                clock.created(PLAN, ANNE, "Plan"),
                clock.granted(PLAN, BOB, "viewer", ANNE),
                clock.restored(PLAN, ANNE),
                clock.updated(PLAN, BOB, json!({ "content": [1] })),
            ],
        ),
        (
            "two purges and what stands between them",
            vec![
                clock.created(PLAN, ANNE, "Plan"),
                clock.purged(PLAN, ANNE),
                clock.granted(PLAN, BOB, "owner", ANNE),
                clock.purged(PLAN, BOB),
            ],
        ),
        (
            "deleted, restored and deleted again by others",
            vec![
                clock.created(PLAN, ANNE, "Plan"),
                clock.deleted(PLAN, ANNE),
                clock.restored(PLAN, BOB),
                clock.deleted(PLAN, BOB),
            ],
        ),
        (
            "two creations: the later is the creation, both creators own",
            vec![
                clock.created(PLAN, ANNE, "Anne's"),
                clock.deleted(PLAN, ANNE),
                clock.created(PLAN, BOB, "Bob's"),
                clock.revoked(PLAN, ANNE, BOB),
            ],
        ),
        (
            "a creation between two updates takes no newer part back",
            vec![
                clock.updated(
                    PLAN,
                    BOB,
                    json!({ "title": "Early", "metadata": { "n": 1 } }),
                ),
                clock.created(PLAN, ANNE, "Plan"),
                clock.updated(PLAN, BOB, json!({ "metadata": { "n": 2 } })),
                clock.updated(PLAN, ANNE, json!({})),
            ],
        ),
        (
            "null clears each part alone, and moves the modification",
            vec![
                clock.created(PLAN, ANNE, "Plan"),
                clock.updated(PLAN, ANNE, json!({ "metadata": { "n": 1 }, "content": 7 })),
                clock.updated(PLAN, BOB, json!({ "title": null })),
                clock.updated(PLAN, ANNE, json!({ "metadata": null, "content": null })),
                clock.updated(PLAN, BOB, json!({ "content": "back" })),
            ],
        ),
    ]
}
