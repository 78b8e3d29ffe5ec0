//! What random histories reach: a generator that misses what it is for would prove nothing.

use std::collections::BTreeMap;

use deed_model::event::Event;
use deed_model::model::{Level, Model};
use deed_model::random::{DOCUMENTS, PRINCIPALS, history_of};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

const NOW: &str = "2026-06-01T00:00:00Z";
const HISTORIES: usize = 2_000;

#[test]
fn random_histories_reach_what_they_are_for() {
    let mut runner = TestRunner::deterministic();
    let strategy = history_of(1..=30);
    let mut reached: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..HISTORIES {
        let history = strategy.new_tree(&mut runner).expect("a history").current();
        for (what, found) in situations(&history) {
            *reached.entry(what).or_default() += usize::from(found);
        }
    }
    println!("of {HISTORIES} histories: {reached:#?}");
    for (what, histories) in reached {
        assert!(histories >= HISTORIES / 100, "{what}: {histories}");
    }
}

fn situations(history: &[Event]) -> Vec<(&'static str, bool)> {
    let mut model = Model::default();
    for (place, event) in history.iter().enumerate() {
        let mut tie = [0; 32];
        tie[0] = u8::try_from(place).expect("a short history");
        model.tell(event.clone(), tie);
    }
    let pair = |of: &dyn Fn(&Event, &Event) -> bool| {
        let others = |a| history.iter().any(|b| of(a, b));
        history.iter().any(others)
    };
    let place = |e: &Event| (e.time.clone(), e.subject, e.kind.clone());
    let level = |principal, document| model.level(principal, document, NOW);
    let told_to = |recipient: &str| {
        let to =
            move |e: &Event| e.kind == "permission.granted" && e.data["recipient"] == recipient;
        history.iter().any(to)
    };
    let held = || {
        let pairs = PRINCIPALS.iter().flat_map(|p| DOCUMENTS.map(|d| (*p, d)));
        pairs.filter_map(|(p, d)| Some((p, d, level(p, d)?)))
    };
    let by_name = |principal, document| {
        let grants = model.permissions(document, NOW);
        grants.iter().any(|(to, _)| *to == principal)
    };
    let in_the_middle = |kind: &str| {
        let added = |e: &Event| e.kind == "group.member_added";
        history.iter().filter(|e| e.kind == kind).any(|event| {
            let middle = event.subject;
            let below = |e: &Event| added(e) && e.subject == middle;
            let above = |e: &Event| {
                added(e) && e.subject != middle && e.data["member"] == middle.to_string()
            };
            history.iter().any(below) && history.iter().any(above)
        })
    };
    vec![
        (
            "one id, other content",
            pair(&|a, b| {
                place(a) == place(b)
                    && (&a.id, &a.source, &a.sequence) == (&b.id, &b.source, &b.sequence)
                    && a.data != b.data
            }),
        ),
        (
            "only the sequence tells two apart",
            pair(&|a, b| {
                place(a) == place(b)
                    && (&a.id, &a.source) == (&b.id, &b.source)
                    && a.sequence < b.sequence
            }),
        ),
        (
            "a purged document that was spoken of",
            pair(&|a, b| a.kind == "document.purged" && b.kind != a.kind && a.subject == b.subject),
        ),
        ("everyone receives", told_to("everyone")),
        ("users receive", told_to("users")),
        ("a principal holds a document", held().next().is_some()),
        (
            "it holds one by no grant to itself",
            held().any(|(p, d, _)| !by_name(p, d)),
        ),
        (
            "somebody edits, and doesn't own",
            held().any(|(.., l)| l == Level::Editor),
        ),
        (
            "a group has live members",
            PRINCIPALS.iter().any(|p| !model.members(*p).is_empty()),
        ),
        (
            "a group in a group",
            PRINCIPALS.iter().any(|p| {
                model
                    .members(*p)
                    .iter()
                    .any(|m| m != p && !model.members(*m).is_empty())
            }),
        ),
        (
            "a removed group with members",
            pair(&|a, b| {
                a.kind == "principal.removed"
                    && b.kind == "group.member_added"
                    && a.subject == b.subject
            }),
        ),
        (
            "a group removed in the middle of a chain",
            in_the_middle("principal.removed"),
        ),
        (
            "a group restored in the middle of a chain",
            in_the_middle("principal.restored"),
        ),
        (
            "something lies in a trash",
            PRINCIPALS
                .iter()
                .any(|p| !model.deleted(*p, NOW).is_empty()),
        ),
        ("a document is orphaned", !model.orphaned(NOW).is_empty()),
    ]
}
