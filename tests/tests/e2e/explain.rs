//! The law of explanations: the greatest level of the ways that count is the effective level, and
//! every way is the one that the events tell of.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Instant;

use deed_model::model::{Explanation, Level, Model};
use deed_model::random::{DOCUMENTS, PRINCIPALS, history_of};
use deed_tests::answers;
use deed_tests::event::Event;
use deed_tests::load;
use deed_tests::reference;
use postgres::Client;
use proptest::test_runner::{Config, TestCaseError};
use uuid::Uuid;

use crate::ground::{Ground, runner};

const HISTORIES: u32 = 500;
const EVENTS: std::ops::RangeInclusive<usize> = 1..=40;

/// Histories that never gave one of these would prove little.
const REASONS: [&str; 10] = [
    "granted",
    "revoked",
    "expired",
    "member_removed",
    "not_a_user",
    "principal_removed",
    "via_removed",
    "recipient_removed",
    "document_not_created",
    "document_deleted",
];

#[test]
fn every_way_is_told_and_the_greatest_that_counts_is_the_level() {
    let began = Instant::now();
    let config = Config {
        cases: HISTORIES,
        max_shrink_iters: 500,
        failure_persistence: None,
        ..Config::default()
    };
    let ground = Ground::new("explain_law");
    let owner = ground.owner(0);
    let state = RefCell::new((ground, owner));
    let none = REASONS.map(|reason| (reason, 0));
    let reached: RefCell<BTreeMap<&str, usize>> = RefCell::new(BTreeMap::from(none));
    let outcome = runner(load::seed(), config).run(&history_of(EVENTS), |events| {
        let (ground, owner) = &mut *state.borrow_mut();
        ground.clear();
        let records: Vec<_> = events.iter().map(Event::binary).collect();
        let rejected = owner.apply(&records).expect("applied");
        assert_eq!(rejected, 0);
        let model = reference::model(&events);
        let ways = judge(ground.client(), &model).map_err(TestCaseError::fail)?;
        for way in ways {
            let mut reached = reached.borrow_mut();
            for (what, so) in [
                (way.reason, true),
                ("several between", way.via.len() > 1),
                ("promoted", way.promoted_from.is_some()),
            ] {
                *reached.entry(what).or_default() += usize::from(so);
            }
        }
        Ok(())
    });
    println!(
        "{HISTORIES} random histories; ways: {:?}; {:.0?}",
        reached.borrow(),
        began.elapsed()
    );
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    for (what, ways) in reached.into_inner() {
        assert!(ways >= 20, "{what}: {ways}");
    }
}

/// The ways between everybody and everything in the histories, if the product tells them too.
fn judge(client: &mut Client, model: &Model) -> Result<Vec<Explanation>, String> {
    let principals = [&PRINCIPALS[..], &[Uuid::from_u128(1), Uuid::from_u128(2)]].concat();
    let documents = DOCUMENTS.to_vec();
    let now = answers::now(client);
    let mut expected = Vec::new();
    let mut ways = Vec::new();
    for p in &principals {
        for d in &documents {
            let told = model.explain(*p, *d, &now);
            let counting = told.iter().filter(|way| way.counts);
            let level = counting.filter_map(|way| way.level).max();
            assert_eq!(level, model.level(*p, *d, &now), "the model against itself");
            let rows: Vec<String> = told.iter().map(text).collect();
            let level = level.map_or("none", Level::word);
            expected.push(format!("{p} on {d}: {level}, {level}\n{}", rows.join("\n")));
            ways.extend(told);
        }
    }
    let rows = client.query(TOLD, &[&principals, &documents]).expect(TOLD);
    let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    match found.iter().zip(&expected).find(|(a, b)| a != b) {
        None if found.len() == expected.len() => Ok(ways),
        None => Err("rows are missing".to_owned()),
        Some((found, expected)) => Err(format!("found {found}\nexpected {expected}")
            .replace("00000000-0000-0000-0000-0000000000", "")),
    }
}

/// For each pair of `$1` and `$2`: what a check says, the greatest level that counts, and the rows
/// in their order.
const TOLD: &str = "
    SELECT format(E'%s on %s: %s, %s\n%s', p, d,
      coalesce(deed.effective_level(p, d)::text, 'none'),
      coalesce(max(e.level) FILTER (WHERE e.counts)::text, 'none'),
      string_agg(format('%s %s %s to %s via %s promoted %s by %s at %s until %s',
        coalesce(e.level::text, 'none'), e.counts, e.reason, e.recipient_id, e.via,
        coalesce(e.promoted_from::text, 'none'), coalesce(e.granted_by::text, 'none'),
        (extract(epoch FROM e.granted_at) * 1000000)::bigint,
        coalesce((extract(epoch FROM e.expires_at) * 1000000)::bigint::text, 'none')),
        E'\n' ORDER BY e.ordinality) FILTER (WHERE e.ordinality IS NOT NULL))
    FROM unnest($1::uuid[]) WITH ORDINALITY AS a (p, n)
    CROSS JOIN unnest($2::uuid[]) WITH ORDINALITY AS b (d, m)
    LEFT JOIN LATERAL deed.explain_permission(p, d) WITH ORDINALITY AS e ON true
    GROUP BY p, d, n, m ORDER BY n, m";

fn text(way: &Explanation) -> String {
    let id = |id: Option<Uuid>| id.map_or("none".to_owned(), |id| id.to_string());
    let via: Vec<String> = way.via.iter().map(Uuid::to_string).collect();
    format!(
        "{} {} {} to {} via {{{}}} promoted {} by {} at {} until {}",
        way.level.map_or("none", Level::word),
        if way.counts { "t" } else { "f" },
        way.reason,
        way.recipient,
        via.join(","),
        id(way.promoted_from),
        id(way.by),
        way.at,
        way.expires_at
            .map_or("none".to_owned(), |at| at.to_string()),
    )
}
