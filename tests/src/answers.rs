//! All that Deed answers about some principals and documents, and what the model answers to the
//! same. One line an answer, so that differences can be read.

use std::collections::BTreeSet;

use deed_model::model::{Level, Model, Sort};
use postgres::Client;
use uuid::Uuid;

/// Whom and what is asked about.
#[derive(Debug, Clone)]
pub struct Subjects {
    /// Groups too, and the built-in recipients.
    pub principals: Vec<Uuid>,
    /// The documents.
    pub documents: Vec<Uuid>,
}

/// Both checks for every pair of `$1` and `$2`.
const CHECKS: &str = "
    SELECT format('level of %s on %s: %s, checked %s', p, d,
      coalesce(deed.effective_level(p, d)::text, 'none'),
      array(SELECT l FROM unnest(enum_range(NULL::deed.permission_level)) AS l
        WHERE deed.has_permission(p, d, l)))
    FROM unnest($1::uuid[]) AS p, unnest($2::uuid[]) AS d";

const ORPHANED: &str = "
    SELECT format('orphaned: %s', document_id) FROM deed.orphaned_documents
    WHERE document_id = ANY ($1)";

/// A list of each of `$1`, walked to its end by pages of `$2`. `call` is the list's function, with
/// `{}` for the cursor, of a question `q` (whom or what it is of, level, sort); `row` is what to
/// show of a row `r`.
fn walk(label: &str, levels: bool, sorts: bool, call: &str, row: &str) -> String {
    let all = |asked, name| match asked {
        true => format!("enum_range(NULL::deed.{name})"),
        false => format!("ARRAY[NULL::deed.{name}]"),
    };
    let (levels, sorts) = (all(levels, "permission_level"), all(sorts, "document_sort"));
    let page = |cursor| {
        let call = call.replace("{}", cursor);
        format!(
            "(SELECT array_agg({row} ORDER BY r.ordinality) AS rows,
                (array_agg(r.cursor ORDER BY r.ordinality))[$2::integer] AS next
              FROM {call} WITH ORDINALITY AS r) AS page"
        )
    };
    let (first, further) = (page("NULL"), page("q.next"));
    // A list that never ends would be longer than any of ours.
    format!(
        "WITH RECURSIVE walk AS (
           SELECT q.*, 1 AS n, page.*
           FROM (SELECT * FROM unnest($1::uuid[]) AS a (of), unnest({levels}) AS b (level),
             unnest({sorts}) AS c (sort)) AS q, LATERAL {first}
           UNION ALL
           SELECT q.of, q.level, q.sort, q.n + 1, page.* FROM walk AS q, LATERAL {further}
           WHERE q.next IS NOT NULL AND q.n < 10000)
         SELECT format('{label}: %4$s', of, level, sort,
           coalesce(string_agg(array_to_string(rows, ', '), ', ' ORDER BY n), ''))
         FROM walk GROUP BY of, level, sort"
    )
}

/// What the product answers, by pages of that size.
pub fn ask(client: &mut Client, subjects: &Subjects, page_size: i32) -> BTreeSet<String> {
    let Subjects {
        principals,
        documents,
    } = subjects;
    let mut all = BTreeSet::new();
    let mut add = |rows: Vec<postgres::Row>| all.extend(rows.iter().map(|row| row.get(0)));
    add(client
        .query(CHECKS, &[principals, documents])
        .expect("checks"));
    add(client.query(ORPHANED, &[documents]).expect("orphaned"));
    for (of, query) in [
        (
            principals,
            walk(
                "documents of %1$s from %2$s by %3$s",
                true,
                true,
                "deed.list_documents(q.of, q.level, q.sort, {}, $2)",
                "format('%s %s', r.document_id, r.level)",
            ),
        ),
        (
            documents,
            walk(
                "principals on %1$s from %2$s",
                true,
                false,
                "deed.list_principals(q.of, q.level, {}, $2)",
                "format('%s %s', r.principal_id, r.level)",
            ),
        ),
        (
            documents,
            walk(
                "permissions on %1$s",
                false,
                false,
                "deed.list_permissions(q.of, {}, $2)",
                "format('%s %s', r.recipient_id, r.level)",
            ),
        ),
        (
            principals,
            walk(
                "members of %1$s",
                false,
                false,
                "deed.list_members(q.of, {}, $2)",
                "r.member_id::text",
            ),
        ),
        (
            principals,
            walk(
                "trash of %1$s",
                false,
                false,
                "deed.list_deleted(q.of, {}, $2)",
                "r.document_id::text",
            ),
        ),
    ] {
        add(client.query(&query, &[of, &page_size]).expect(&query));
    }
    all
}

/// What the model answers; `now` as [`now`] gives it.
pub fn expected(model: &Model, subjects: &Subjects, now: &str) -> BTreeSet<String> {
    let Subjects {
        principals,
        documents,
    } = subjects;
    let mut all = BTreeSet::new();
    for &p in principals {
        for &d in documents {
            let level = model.level(p, d, now);
            let checked: Vec<_> = Level::ALL
                .into_iter()
                .filter(|of| Some(*of) <= level)
                .map(Level::word)
                .collect();
            let (level, checked) = (level.map_or("none", Level::word), checked.join(","));
            all.insert(format!(
                "level of {p} on {d}: {level}, checked {{{checked}}}"
            ));
        }
        for from in Level::ALL {
            for (by, sort) in [("id", Sort::Id), ("last_modified", Sort::LastModified)] {
                let list = pairs(&model.documents(p, from, sort, now));
                all.insert(format!(
                    "documents of {p} from {} by {by}: {list}",
                    from.word()
                ));
            }
        }
        all.insert(format!("members of {p}: {}", ids(&model.members(p))));
        all.insert(format!("trash of {p}: {}", ids(&model.deleted(p, now))));
    }
    for &d in documents {
        for from in Level::ALL {
            let list = pairs(&model.principals(d, from, now));
            all.insert(format!("principals on {d} from {}: {list}", from.word()));
        }
        let list = pairs(&model.permissions(d, now));
        all.insert(format!("permissions on {d}: {list}"));
    }
    let orphaned = model.orphaned(now).into_iter();
    let orphaned = orphaned.filter(|d| documents.contains(d));
    all.extend(orphaned.map(|d| format!("orphaned: {d}")));
    all
}

fn pairs(list: &[(Uuid, Level)]) -> String {
    let pair = |(id, level): &(Uuid, Level)| format!("{id} {}", level.word());
    list.iter().map(pair).collect::<Vec<_>>().join(", ")
}

fn ids(list: &[Uuid]) -> String {
    list.iter()
        .map(Uuid::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The database's time, as the model takes it.
pub fn now(client: &mut Client) -> String {
    let now =
        "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    client.query_one(now, &[]).expect(now).get(0)
}

/// The answers that are on one side only, or that all are the same.
pub fn compare(found: &BTreeSet<String>, expected: &BTreeSet<String>) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    let only = |what: &str, these: &BTreeSet<String>, those: &BTreeSet<String>| {
        let lines = these.difference(those).take(5);
        lines
            .map(|line| format!("{what} {line}\n"))
            .collect::<String>()
    };
    Err(format!(
        "{}{}",
        only("expected", expected, found),
        only("found   ", found, expected)
    ))
}
