//! A chain of 200 groups and a circle of 50 are answered, and cost nobody else anything.

use deed_tests::event::{Clock, Event, id};
use uuid::Uuid;

use super::{Scene, WRONG, WRONGLY_LISTED, analyzed, one, run, sum};

const CHAIN: usize = 200;
const CIRCLE: usize = 50;

fn groups(name: &str, count: usize) -> Vec<Uuid> {
    (0..count).map(|n| id(&format!("{name} {n}"))).collect()
}

/// Buffers that the scene's own checks and lists read.
fn read(scene: &mut Scene) -> [i64; 2] {
    [WRONG, WRONGLY_LISTED].map(|query| {
        let client = scene.client();
        assert_eq!(one::<i64>(client, query), 0);
        sum(&analyzed(client, ", BUFFERS", query), "Shared Hit Blocks")
    })
}

#[test]
fn long_chains_and_circles_answer_and_harm_nobody() {
    let mut scene = Scene::new("chains");
    run(scene.client(), "VACUUM ANALYZE");
    let before = read(&mut scene);

    let clock = &mut Clock::default();
    let [anne, bob, cara, dan] = ["anne", "bob", "cara", "dan"].map(id);
    let [plan, note] = ["chain plan", "circle note"].map(id);
    let (chain, circle) = (groups("chain", CHAIN), groups("circle", CIRCLE));
    let mut events: Vec<Event> = vec![
        clock.created(plan, anne, "Plan"),
        clock.created(note, anne, "Note"),
        clock.member_added(chain[0], bob),
        clock.member_added(circle[7], cara),
        clock.granted(plan, chain[CHAIN - 1], "viewer", anne),
        clock.granted(note, circle[6], "editor", anne),
    ];
    for n in 1..CHAIN {
        events.push(clock.member_added(chain[n], chain[n - 1]));
    }
    for n in 0..CIRCLE {
        events.push(clock.member_added(circle[(n + 1) % CIRCLE], circle[n]));
    }
    scene.tell(&events);
    let level = |who: Uuid, what: Uuid| {
        format!("SELECT coalesce(deed.effective_level('{who}', '{what}')::text, 'none')")
    };
    let listed = |who: Uuid| {
        format!(
            "SELECT coalesce(string_agg(title || ' ' || level, ', '), 'none')
             FROM deed.list_documents('{who}', page_size => 1000)
             WHERE document_id IN ('{plan}', '{note}')"
        )
    };
    let holders = |what: Uuid| {
        format!(
            "SELECT string_agg(CASE principal_id WHEN '{anne}' THEN 'anne' WHEN '{bob}' THEN 'bob'
                 WHEN '{cara}' THEN 'cara' ELSE 'another' END, ', ' ORDER BY level DESC)
             FROM deed.list_principals('{what}')"
        )
    };
    let assert_all = |scene: &mut Scene, expected: &[(String, &str)]| {
        for (question, answer) in expected {
            assert_eq!(
                one::<String>(scene.client(), question),
                *answer,
                "{question}"
            );
        }
    };
    assert_all(
        &mut scene,
        &[
            (level(bob, plan), "viewer"),
            (level(chain[0], plan), "viewer"),
            (level(chain[CHAIN / 2], plan), "viewer"),
            (level(cara, plan), "none"),
            (level(dan, plan), "none"),
            (listed(bob), "Plan viewer"),
            (listed(dan), "none"),
            (holders(plan), "anne, bob"),
            (level(cara, note), "editor"),
            (level(circle[8], note), "editor"),
            (level(bob, note), "none"),
            (listed(cara), "Note editor"),
            (holders(note), "anne, cara"),
        ],
    );

    run(scene.client(), "VACUUM ANALYZE");
    let after = read(&mut scene);
    println!(
        "buffers of everybody else's checks and lists: {before:?} before, {after:?} behind it"
    );
    for (before, after) in before.into_iter().zip(after) {
        // A level more in some index, and no more.
        assert!(after <= before * 2, "{before} buffers, then {after}");
    }

    // Both break in their middle, and are whole again.
    let (one_end, other_end) = (chain[CHAIN / 2], chain[CHAIN / 2 - 1]);
    scene.tell(&[
        clock.member_removed(one_end, other_end),
        clock.removed(circle[30]),
    ]);
    assert_all(
        &mut scene,
        &[
            (level(bob, plan), "none"),
            (level(one_end, plan), "viewer"),
            (listed(bob), "none"),
            (level(cara, note), "none"),
            (level(circle[31], note), "editor"),
            (level(circle[30], note), "none"),
        ],
    );
    scene.tell(&[
        clock.member_added(one_end, other_end),
        clock.principal_restored(circle[30]),
    ]);
    assert_all(
        &mut scene,
        &[(level(bob, plan), "viewer"), (level(cara, note), "editor")],
    );
    assert_eq!(one::<i64>(scene.client(), WRONG), 0);
}
