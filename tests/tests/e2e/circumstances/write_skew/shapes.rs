//! What a check may hang on, and how it changes.

/// A way in which Bob comes to hold a level on the plan, or no longer does.
pub struct Shape {
    pub name: &'static str,
    /// What is there before. Names in capitals stand for ids.
    pub before: &'static [&'static str],
    pub change: &'static [&'static str],
    /// Whether Bob is listed by his own name, and not as one of `everyone` or `users`.
    pub by_name: bool,
}

const DOCUMENT: &str = "INSERT INTO deed.document (id, created_at, created_by, last_modified,
    last_modified_by) VALUES (PLAN, now(), ANNE, now(), ANNE)";
const BOB: &str = "INSERT INTO deed.principal (id, node) VALUES (BOB, false)";
const GRANT_BOB: &str =
    "INSERT INTO deed.permission VALUES (PLAN, BOB, '\\x', 'viewer', ANNE, now(), NULL, false)";
const LIST_BOB: &str = "INSERT INTO deed.listing SELECT BOB, 'viewer', last_modified, id
    FROM deed.document WHERE id = PLAN";
const UNLIST: &str = "DELETE FROM deed.listing WHERE document_id = PLAN";
const GRANT_TEAM: &str =
    "INSERT INTO deed.permission VALUES (PLAN, TEAM, '\\x', 'viewer', ANNE, now(), NULL, false)";
const LIST_TEAM: &str = "INSERT INTO deed.listing SELECT TEAM, 'viewer', last_modified, id
    FROM deed.document WHERE id = PLAN";
const JOIN_TEAM: &str = "INSERT INTO deed.membership VALUES (TEAM, BOB, '\\x', false, NULL, now());
    INSERT INTO deed.principal (id, node) VALUES (TEAM, true) ON CONFLICT DO NOTHING";
const TEAM: &str = "INSERT INTO deed.principal (id, node) VALUES (TEAM, true)";
const JOIN_UNIT: &str = "INSERT INTO deed.membership VALUES (UNIT, BOB, '\\x', false, NULL, now());
    INSERT INTO deed.principal (id, node) VALUES (UNIT, true) ON CONFLICT DO NOTHING";
const NEST: &str = "INSERT INTO deed.closure VALUES (UNIT, TEAM);
    INSERT INTO deed.membership VALUES (TEAM, UNIT, '\\x', false, NULL, now());
    INSERT INTO deed.principal (id, node) VALUES (TEAM, true) ON CONFLICT DO NOTHING";
const UNNEST: &str = "DELETE FROM deed.closure WHERE member_id = UNIT;
    DELETE FROM deed.membership WHERE member_id = UNIT";
const GRANT_USERS: &str =
    "INSERT INTO deed.permission VALUES (PLAN, USERS, '\\x', 'viewer', ANNE, now(), NULL, false)";
const LIST_USERS: &str = "INSERT INTO deed.listing SELECT USERS, 'viewer', last_modified, id
    FROM deed.document WHERE id = PLAN";

pub const SHAPES: &[Shape] = &[
    Shape {
        name: "a grant is revoked",
        before: &[DOCUMENT, GRANT_BOB, LIST_BOB],
        change: &[
            "UPDATE deed.permission SET level = NULL WHERE document_id = PLAN",
            UNLIST,
        ],
        by_name: true,
    },
    Shape {
        name: "a grant's row goes",
        before: &[DOCUMENT, GRANT_BOB, LIST_BOB],
        change: &[
            "DELETE FROM deed.permission WHERE document_id = PLAN",
            UNLIST,
        ],
        by_name: true,
    },
    Shape {
        name: "a grant expires",
        before: &[DOCUMENT, GRANT_BOB, LIST_BOB],
        change: &[
            "UPDATE deed.permission SET expires_at = '-infinity' WHERE document_id = PLAN",
            "UPDATE deed.listing SET expires_at = '-infinity' WHERE document_id = PLAN",
        ],
        by_name: true,
    },
    Shape {
        name: "a first grant",
        before: &[DOCUMENT],
        change: &[GRANT_BOB, LIST_BOB],
        by_name: true,
    },
    Shape {
        name: "a revoked grant comes back",
        before: &[
            DOCUMENT,
            GRANT_BOB,
            "UPDATE deed.permission SET level = NULL WHERE document_id = PLAN",
        ],
        change: &[
            "UPDATE deed.permission SET level = 'viewer' WHERE document_id = PLAN",
            LIST_BOB,
        ],
        by_name: true,
    },
    Shape {
        name: "a first member",
        before: &[DOCUMENT, GRANT_TEAM, LIST_TEAM],
        change: &[JOIN_TEAM],
        by_name: true,
    },
    Shape {
        name: "a member leaves",
        before: &[DOCUMENT, GRANT_TEAM, LIST_TEAM, JOIN_TEAM],
        change: &["UPDATE deed.membership SET removed = true WHERE group_id = TEAM"],
        by_name: true,
    },
    Shape {
        name: "a group is removed",
        before: &[DOCUMENT, TEAM, GRANT_TEAM, LIST_TEAM, JOIN_TEAM],
        change: &["UPDATE deed.principal SET removed_at = now() WHERE id = TEAM"],
        by_name: true,
    },
    Shape {
        name: "groups are nested",
        before: &[DOCUMENT, GRANT_TEAM, LIST_TEAM, JOIN_UNIT],
        change: &[NEST],
        by_name: true,
    },
    Shape {
        name: "groups are apart again",
        before: &[DOCUMENT, GRANT_TEAM, LIST_TEAM, JOIN_UNIT, NEST],
        change: &[UNNEST],
        by_name: true,
    },
    Shape {
        name: "a link is promoted",
        before: &[DOCUMENT, TEAM, GRANT_TEAM, LIST_TEAM],
        change: &["UPDATE deed.principal SET promoted_to = BOB WHERE id = TEAM"],
        by_name: true,
    },
    Shape {
        name: "the document is deleted",
        before: &[DOCUMENT, GRANT_BOB, LIST_BOB],
        change: &[
            "UPDATE deed.document SET deleted_at = now() WHERE id = PLAN",
            UNLIST,
        ],
        by_name: true,
    },
    Shape {
        name: "the document is restored",
        before: &[
            DOCUMENT,
            GRANT_BOB,
            "UPDATE deed.document SET deleted_at = now() WHERE id = PLAN",
        ],
        change: &[
            "UPDATE deed.document SET deleted_at = NULL WHERE id = PLAN",
            LIST_BOB,
        ],
        by_name: true,
    },
    Shape {
        name: "the principal is removed",
        before: &[DOCUMENT, BOB, GRANT_BOB, LIST_BOB],
        change: &["UPDATE deed.principal SET removed_at = now() WHERE id = BOB"],
        by_name: true,
    },
    Shape {
        name: "the principal is restored",
        before: &[
            DOCUMENT,
            BOB,
            GRANT_BOB,
            LIST_BOB,
            "UPDATE deed.principal SET removed_at = now() WHERE id = BOB",
        ],
        change: &["UPDATE deed.principal SET removed_at = NULL WHERE id = BOB"],
        by_name: true,
    },
    Shape {
        name: "a principal turns out to be a user",
        before: &[DOCUMENT, BOB, GRANT_USERS, LIST_USERS],
        change: &["UPDATE deed.principal SET kind = 'user' WHERE id = BOB"],
        by_name: false,
    },
    Shape {
        name: "a user is registered",
        before: &[DOCUMENT, GRANT_USERS, LIST_USERS],
        change: &["INSERT INTO deed.principal (id, kind, node) VALUES (BOB, 'user', false)"],
        by_name: false,
    },
];
