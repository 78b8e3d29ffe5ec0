//! Pages of lists, against one ordered index range.

use uuid::Uuid;

use super::forms::{ACTIVE, closure, filled};
use super::report::{Report, Row};
use super::session::{Comparison, Fallible, Query, Session};
use super::world::{JOINED, Principal, World};

const PAGE: i64 = 50;
/// The pages before the one that is measured are walked in steps of so many rows.
const WALKED: i64 = 1_000;

/// Where a page starts: behind a row of the list.
struct Place {
    cursor: Option<String>,
    /// `last_modified` and id of that row, as text.
    last: Option<(String, Uuid)>,
}

/// Walks to the page of that number, counted from 1.
fn walk_to(session: &Session, principal: Uuid, page: u64) -> Fallible<Place> {
    let mut place = Place {
        cursor: None,
        last: None,
    };
    let mut left = (page as i64 - 1) * PAGE;
    while left > 0 {
        let step = left.min(WALKED) as i32;
        let row = session.client().query_one(
            "SELECT l.cursor, l.last_modified::text, l.document_id
             FROM deed.list_documents($1, 'viewer', 'last_modified', $2, $3) WITH ORDINALITY AS l
               (document_id, level, title, created_at, created_by, last_modified, last_modified_by,
                cursor, n)
             ORDER BY l.n DESC LIMIT 1",
            &[&principal, &place.cursor, &step],
        )?;
        place = Place {
            cursor: row.get(0),
            last: Some((row.get(1), row.get(2))),
        };
        left -= i64::from(step);
    }
    Ok(place)
}

const PRODUCT: &str = "SELECT count(last_modified)
  FROM deed.list_documents($1, 'viewer', 'last_modified', $2, 50)";

/// One ordered range of 50 rows joined to documents, from where the page starts, so that the index
/// alone finds it; with the planner's join, and with a look for each row.
fn ranges(principal: Uuid, place: &Place) -> Vec<Query> {
    let behind = match place.last {
        None => "",
        Some(_) => "AND (l.last_modified, l.document_id) < ($2::text::timestamptz, $3)",
    };
    let range = format!(
        "SELECT l.document_id, l.level FROM deed.listing AS l
         WHERE l.recipient_id = $1 AND l.level = 'viewer' {behind}
         ORDER BY l.last_modified DESC, l.document_id DESC LIMIT 50"
    );
    let columns = "d.id, l.level, d.title, d.created_at, d.created_by, d.last_modified,
        d.last_modified_by";
    let joined = format!(
        "SELECT {columns} FROM ({range}) AS l JOIN deed.document AS d ON d.id = l.document_id"
    );
    let looked_up = format!(
        "SELECT d.* FROM ({range}) AS l CROSS JOIN LATERAL
           (SELECT {columns} FROM deed.document AS d WHERE d.id = l.document_id OFFSET 0) AS d"
    );
    let query = |(name, page): (&str, String)| {
        let sql = format!("SELECT count(page.last_modified) FROM ({page}) AS page");
        let query = Query::new(name, sql).with(principal);
        match &place.last {
            None => query,
            Some((last_modified, id)) => query.with(last_modified.clone()).with(*id),
        }
    };
    [
        ("one index range, joined", joined),
        ("one index range, and a look for each row", looked_up),
    ]
    .into_iter()
    .map(query)
    .collect()
}

/// Pages of principals that see few and very many documents.
pub fn measure(session: &Session, world: &World, report: &mut Report) -> Fallible<()> {
    report.section("list_documents, a page of 50 by last_modified");
    let all_pages = world.size.documents / PAGE as u64;
    let medium_pages = world.size.medium / PAGE as u64;
    let mut values = Vec::new();
    for (who, name, page) in [
        (Principal::Few, "page 1 of 50 documents", 1),
        (Principal::Medium, "page 1 of 10^4 documents", 1),
        (
            Principal::Medium,
            "page 100 of 10^4 documents",
            medium_pages / 2,
        ),
        (Principal::All, "page 1 of 10^6 documents", 1),
        (
            Principal::All,
            "page 1,000 of 10^6 documents",
            all_pages / 20,
        ),
        (Principal::All, "page 20,000 of 10^6 documents", all_pages),
    ] {
        let principal = world.principal(who);
        let place = walk_to(session, principal, page)?;
        let floors = ranges(principal, &place);
        let comparison = Comparison {
            name: format!("list, {name}"),
            unit: "ms",
            items: 1,
            counts: PAGE,
            product: Query::new("deed.list_documents", PRODUCT)
                .with(principal)
                .with(place.cursor),
            floor: String::new(),
            floors,
            floor_counts: PAGE,
            goal: Some(2.0),
        };
        values.push(session.compare(report, comparison)?);
    }
    let slowest = values.iter().copied().fold(0.0, f64::max);
    let fastest = values.iter().copied().fold(f64::INFINITY, f64::min);
    report.add(Row::against(
        "list, the slowest of these pages",
        "ms",
        slowest,
        ("the fastest of them", fastest),
        Some(2.0),
    ));
    measure_wide(session, world, report)?;
    measure_by_id(session, world, report)?;
    measure_groups(session, world, report)
}

/// Wide documents have no sort key beside the grant, so there is no index range to compare with:
/// the floor reads and sorts them all.
fn measure_wide(session: &Session, world: &World, report: &mut Report) -> Fallible<()> {
    let principal = world.principal(Principal::Collector);
    let page = PAGE.min(world.size.collected as i64);
    let floor = "SELECT count(d.last_modified) FROM (
        SELECT d.id, l.level, d.title, d.created_at, d.created_by, d.last_modified, d.last_modified_by
        FROM deed.listing AS l JOIN deed.document AS d ON d.id = l.document_id
        WHERE l.recipient_id = $1 AND l.level = 'viewer' AND l.last_modified = 'infinity'
        ORDER BY d.last_modified DESC, d.id DESC LIMIT 50) AS d";
    let comparison = Comparison {
        name: format!(
            "list, page 1, principal with {} wide documents",
            world.size.collected
        ),
        unit: "ms",
        items: 1,
        counts: PAGE,
        product: Query::new("deed.list_documents", PRODUCT)
            .with(principal)
            .with(None::<String>),
        floor: "wide documents joined and sorted".to_owned(),
        floors: vec![Query::new("", floor).with(principal)],
        floor_counts: page,
        goal: None,
    };
    session.compare(report, comparison).map(drop)
}

/// One range a recipient and level, merged by the planner, under the same rules.
fn lateral() -> String {
    let text = format!(
        "WITH top AS (
           SELECT g.document_id, max(g.level) AS level
           FROM ({closure}) AS r
           CROSS JOIN unnest(enum_range(NULL::deed.permission_level)) AS e (level)
           CROSS JOIN LATERAL (SELECT l.document_id, l.level, l.last_modified
             FROM deed.listing AS l
             WHERE l.recipient_id = r.id AND l.level = e.level AND l.last_modified < 'infinity'
               AND (l.expires_at IS NULL OR l.expires_at > statement_timestamp())
             ORDER BY l.last_modified DESC, l.document_id DESC LIMIT 50) AS g
           WHERE {ACTIVE}
           GROUP BY g.document_id, g.last_modified
           ORDER BY g.last_modified DESC, g.document_id DESC LIMIT 50)
         SELECT count(last_modified) FROM (
           SELECT d.id, t.level, d.title, d.created_at, d.created_by, d.last_modified,
             d.last_modified_by
           FROM top AS t JOIN deed.document AS d ON d.id = t.document_id
           ORDER BY d.last_modified DESC, d.id DESC) AS page",
        closure = closure(),
    );
    filled(&text, "$1", "", "")
}

/// By id, for which there are no goals: it has no sort key to keep, but looks whether each document is live.
fn measure_by_id(session: &Session, world: &World, report: &mut Report) -> Fallible<()> {
    let principal = world.principal(Principal::All);
    let comparison = Comparison {
        name: "list by id, page 1 of 10^6 documents".to_owned(),
        unit: "ms",
        items: 1,
        counts: PAGE,
        product: Query::new(
            "deed.list_documents",
            "SELECT count(last_modified)
             FROM deed.list_documents($1, 'viewer', 'id', NULL, 50)",
        )
        .with(principal),
        floor: String::new(),
        floors: vec![
            Query::new(
                "one index range, joined",
                "SELECT count(page.last_modified) FROM (
                   SELECT d.*, g.level FROM (SELECT p.document_id, p.level FROM deed.permission AS p
                     WHERE p.recipient_id = $1 AND p.level = 'viewer'
                     ORDER BY p.document_id LIMIT 50) AS g
                   JOIN deed.document AS d ON d.id = g.document_id) AS page",
            )
            .with(principal),
        ],
        floor_counts: PAGE,
        goal: None,
    };
    session.compare(report, comparison).map(drop)
}

fn measure_groups(session: &Session, world: &World, report: &mut Report) -> Fallible<()> {
    let principal = world.principal(Principal::Joiner(0));
    let comparison = Comparison {
        name: format!("list, page 1, principal in {JOINED} groups"),
        unit: "ms",
        items: 1,
        counts: PAGE,
        product: Query::new("deed.list_documents", PRODUCT)
            .with(principal)
            .with(None::<String>),
        floor: "LATERAL LIMIT a group, merged".to_owned(),
        floors: vec![Query::new("", lateral()).with(principal)],
        floor_counts: PAGE,
        goal: Some(0.3),
    };
    session.compare(report, comparison)?;
    Ok(())
}
