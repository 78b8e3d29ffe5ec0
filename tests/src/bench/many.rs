//! `deed.check_many` against the planner's best join for the same rules.

use std::collections::HashSet;

use uuid::Uuid;

use super::draw::Draw;
use super::forms::{ACTIVE, LIVE, UNEXPIRED, closure, filled};
use super::report::Report;
use super::session::{Comparison, Fallible, Query, Session};
use super::world::{Document, Principal, World};

/// Documents in one call.
const DOCUMENTS: usize = 1_000;

/// Of the documents `$2`, those on which `$1` holds `$3`: as sets of ids.
fn joins() -> Vec<(&'static str, String)> {
    let closure = closure();
    let granted = |source: &str, condition: &str| {
        format!(
            "SELECT DISTINCT g.document_id FROM {source}
             WHERE {condition} AND g.level >= {{l}} AND {UNEXPIRED}"
        )
    };
    let looked_up = format!(
        "SELECT n.id AS document_id FROM unnest($2::uuid[]) AS n (id)
         WHERE EXISTS (SELECT FROM deed.permission AS g WHERE g.document_id = n.id
           AND g.recipient_id = ANY (ARRAY(SELECT id FROM closure))
           AND g.level >= {{l}} AND {UNEXPIRED})"
    );
    let sets = [
        (
            "grants joined with recipients and documents",
            granted(
                "deed.permission AS g JOIN closure AS r ON r.id = g.recipient_id
                 JOIN unnest($2::uuid[]) AS n (id) ON n.id = g.document_id",
                "true",
            ),
        ),
        (
            "grants of an array of documents to an array of recipients",
            granted(
                "deed.permission AS g",
                "g.document_id = ANY ($2::uuid[]) AND g.recipient_id = ANY (ARRAY(SELECT id FROM closure))",
            ),
        ),
        (
            "grants on an array of documents, joined with recipients",
            granted(
                "deed.permission AS g JOIN closure AS r ON r.id = g.recipient_id",
                "g.document_id = ANY ($2::uuid[])",
            ),
        ),
        (
            "documents joined with grants to an array of recipients",
            granted(
                "unnest($2::uuid[]) AS n (id) JOIN deed.permission AS g ON g.document_id = n.id",
                "g.recipient_id = ANY (ARRAY(SELECT id FROM closure))",
            ),
        ),
        (
            "EXISTS in an array of recipients for each document",
            looked_up,
        ),
    ];
    sets.into_iter()
        .map(|(name, set)| {
            let live = filled(LIVE, "$1", "g.document_id", "$3");
            let text = format!(
                "WITH closure AS MATERIALIZED ({closure}),
                 granted AS (SELECT g.document_id FROM ({set}) AS g WHERE {live} AND {ACTIVE})
                 SELECT count(*) FILTER (WHERE a.allowed) FROM (
                   SELECT n.id AS document_id, g.document_id IS NOT NULL AS allowed
                   FROM unnest($2::uuid[]) AS n (id) LEFT JOIN granted AS g ON g.document_id = n.id) AS a"
            );
            (
                name,
                filled(&text, "$1", "$2", "$3::text::deed.permission_level"),
            )
        })
        .collect()
}

/// 1,000 documents a call, for principals of several kinds.
pub fn measure(session: &Session, world: &World, report: &mut Report) -> Fallible<()> {
    report.section("check_many");
    let mut draw = Draw::new(world);
    let mut random = HashSet::new();
    while random.len() < DOCUMENTS {
        random.insert(draw.plain());
    }
    let user = draw.loner();
    for (who, principal) in [
        ("a user, deny", user),
        ("principal in 100 groups, mixed", Principal::Joiner(0)),
        ("principal with all documents, allow", Principal::All),
    ] {
        let documents: Vec<Uuid> = random
            .iter()
            .map(|n| world.document(Document::Plain(*n)))
            .collect();
        let principal = world.principal(principal);
        let with = |query: Query| query.with(principal).with(documents.clone()).with("viewer");
        let product = with(Query::new(
            "deed.check_many",
            "SELECT count(*) FILTER (WHERE allowed)
             FROM deed.check_many($1, $2, $3::text::deed.permission_level)",
        ));
        // What has_permission says of each.
        let allowed: i64 = session
            .client()
            .query_one(
                "SELECT count(*) FROM unnest($2::uuid[]) AS d
                 WHERE deed.has_permission($1, d, 'viewer')",
                &[&principal, &documents],
            )?
            .get(0);
        let floors = joins()
            .into_iter()
            .map(|(name, sql)| with(Query::new(name, sql)));
        let comparison = Comparison {
            name: format!("check_many, 1,000 documents, an item: {who}"),
            unit: "us",
            items: DOCUMENTS,
            counts: allowed,
            product,
            floor: String::new(),
            floors: floors.collect(),
            floor_counts: allowed,
            goal: Some(1.2),
        };
        session.compare(report, comparison)?;
    }
    Ok(())
}
