//! Thousands of versions of the same rows, which an older snapshot keeps from being cleared away: one
//! key then fills pages of an index, and each snapshot finds its own row among them.

use deed_tests::event::{Clock, id};
use postgres::Client;
use uuid::Uuid;

use super::{one, run};
use crate::ground::Ground;

/// Versions of each row, told apart by a commit.
const VERSIONS: usize = 600;

/// Each of these changes a row over and over and commits each time, so that `n` odd and `n` even differ.
const CHANGES: [(&str, &str); 6] = [
    (
        "the level of a grant",
        "UPDATE deed.permission SET level = CASE n % 2 WHEN 1 THEN 'editor' ELSE 'viewer' END::deed.permission_level
           WHERE recipient_id = 'BOB'",
    ),
    (
        "whether the document is deleted",
        "UPDATE deed.document SET deleted_at = CASE n % 2 WHEN 1 THEN now() END WHERE id = 'PLAN'",
    ),
    (
        "whether the principal is removed",
        "UPDATE deed.principal SET removed_at = CASE n % 2 WHEN 1 THEN now() END WHERE id = 'BOB'",
    ),
    (
        "whether it is a member",
        "UPDATE deed.membership SET removed = n % 2 = 1 WHERE member_id = 'BOB'",
    ),
    (
        "whether its group reaches another",
        "DELETE FROM deed.closure WHERE member_id = 'TEAM'; INSERT INTO deed.closure SELECT 'TEAM',
           CASE n % 2 WHEN 1 THEN deed.users() ELSE 'FIRM' END",
    ),
    (
        "where it is listed",
        "DELETE FROM deed.listing WHERE recipient_id = 'BOB'; INSERT INTO deed.listing
           SELECT 'BOB', CASE n % 2 WHEN 1 THEN 'editor' ELSE 'viewer' END::deed.permission_level,
             last_modified, id FROM deed.document WHERE id = 'PLAN' OR n % 2 = 0 AND id = 'NOTE'",
    ),
];

/// By name on the plan; through the team and the firm on the note; lists of both.
fn ask(client: &mut Client, [bob, plan, note]: [Uuid; 3]) -> String {
    let query = format!(
        "SELECT concat_ws(' ', coalesce(deed.effective_level('{bob}', '{plan}')::text, 'none'),
           coalesce(deed.effective_level('{bob}', '{note}')::text, 'none'),
           (SELECT array_agg(allowed) FROM deed.check_many('{bob}', ARRAY['{plan}', '{note}']::uuid[],
             'viewer')),
           (SELECT array_agg(title ORDER BY title) FROM deed.list_documents('{bob}')),
           (SELECT array_agg(title ORDER BY title) FROM deed.list_documents('{bob}', 'editor')),
           (SELECT array_agg(title ORDER BY title) FROM deed.list_documents('{bob}', 'editor', 'id')))"
    );
    one(client, &query)
}

#[test]
fn each_snapshot_finds_its_own_version() {
    let mut ground = Ground::new("versions");
    let clock = &mut Clock::default();
    let [anne, bob, team, firm, plan, note] =
        ["anne", "bob", "team", "firm", "plan", "note"].map(id);
    let events = [
        clock.created(plan, anne, "Plan"),
        clock.created(note, anne, "Note"),
        clock.registered(bob, "user", "Bob"),
        clock.granted(plan, bob, "viewer", anne),
        clock.member_added(team, bob),
        clock.member_added(firm, team),
        clock.granted(note, firm, "viewer", anne),
    ];
    ground
        .owner(0)
        .apply(&events.map(|event| event.structured()))
        .expect("applied");
    let about = [bob, plan, note];
    let beginning = ask(ground.client(), about);
    assert_eq!(beginning, "viewer viewer {t,t} {Note,Plan}");
    for (what, change) in CHANGES {
        let change = [
            ("BOB", bob),
            ("TEAM", team),
            ("FIRM", firm),
            ("PLAN", plan),
            ("NOTE", note),
        ]
        .iter()
        .fold(change.to_owned(), |change, (name, id)| {
            change.replace(name, &id.to_string())
        });
        let mut old = ground.session();
        run(&mut old, "BEGIN ISOLATION LEVEL REPEATABLE READ");
        assert_eq!(ask(&mut old, about), beginning, "{what}");
        let mut answers = Vec::new();
        for part in 0..3 {
            let (first, last) = (part * VERSIONS + 1, (part + 1) * VERSIONS - part % 2);
            let changes = format!(
                "DO $$ BEGIN FOR n IN {first}..{last} LOOP {change}; COMMIT; END LOOP; END $$"
            );
            run(ground.client(), &changes);
            assert_eq!(
                ask(&mut old, about),
                beginning,
                "{what}, the older snapshot"
            );
            let mut new = ground.session();
            let answer = ask(ground.client(), about);
            assert_eq!(ask(&mut new, about), answer, "{what}");
            answers.push(answer);
        }
        // The last of the first and third part is even, that of the second odd.
        assert_eq!(answers[0], beginning, "{what}");
        assert_ne!(answers[1], beginning, "{what}: nothing has changed");
        assert_eq!(answers[2], beginning, "{what}");
        run(&mut old, "COMMIT");
    }
}
