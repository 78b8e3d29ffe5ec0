//! The first page of whoever can see a document.

use super::forms::{UNEXPIRED, closure, filled};
use super::report::{Report, Row};
use super::session::{Comparison, Fallible, Query, Session};
use super::world::{Document, World};

const PAGE: i64 = 50;

/// Who can see a document of very many recipients.
pub fn measure(session: &Session, world: &World, report: &mut Report) -> Fallible<()> {
    report.section("list_principals");
    let document = world.document(Document::Famous);
    // The document's own grants to everyone and users count for all of its recipients.
    let page = "SELECT g.recipient_id AS id, p.kind, p.name, p.description
       FROM (SELECT g.recipient_id FROM deed.permission AS g
         WHERE g.document_id = $1 AND g.level IS NOT NULL
           AND (g.expires_at IS NULL OR g.expires_at > statement_timestamp())
         ORDER BY g.recipient_id LIMIT 60) AS g
       JOIN deed.principal AS p ON p.id = g.recipient_id
       WHERE p.removed_at IS NULL AND p.kind <> 'group'
       ORDER BY g.recipient_id LIMIT 50";
    let by_hand = format!(
        "(SELECT max(g.level) FROM ({}) AS r JOIN deed.permission AS g
           ON g.recipient_id = r.id AND g.document_id = $1 WHERE {UNEXPIRED})",
        closure()
    );
    let floors = [
        ("levels by hand", filled(&by_hand, "page.id", "", "")),
        (
            "levels by deed.effective_level",
            "deed.effective_level(page.id, $1)".to_owned(),
        ),
    ];
    let floor = |(name, level): (&str, String)| {
        let sql = format!(
            "SELECT count(level) FROM (SELECT page.*, {level} AS level
               FROM ({page}) AS page ORDER BY page.id OFFSET 0) AS answer"
        );
        Query::new(name, sql).with(document)
    };
    let comparison = Comparison {
        name: format!(
            "list_principals, page 1 of 50, {} recipients",
            world.size.famous
        ),
        unit: "ms",
        items: 1,
        counts: PAGE,
        product: Query::new(
            "deed.list_principals",
            "SELECT count(level) FROM deed.list_principals($1, 'viewer', NULL, 50)",
        )
        .with(document),
        floor: "one index range joined to principals, ".to_owned(),
        floors: floors.into_iter().map(floor).collect(),
        floor_counts: PAGE,
        goal: Some(2.0),
    };
    session.compare(report, comparison)?;
    // Whoever is left out has to be passed over.
    let owners = "SELECT count(level) FROM deed.list_principals($1, 'owner', NULL, 50)";
    let owners = Query::new("deed.list_principals", owners).with(document);
    let counts = session.counted(&owners)?;
    report.add(Row::alone(
        format!(
            "list_principals, {counts} owners among {} recipients",
            world.size.famous
        ),
        "ms",
        session.best_of(&owners, counts)? * 1e3,
    ));
    Ok(())
}
