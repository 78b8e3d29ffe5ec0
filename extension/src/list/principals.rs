//! Who can see a document.

use deed_core::{Level, cursor};
use pgrx::pg_sys;
use uuid::Uuid;

use super::{open, page_size};
use crate::failure::Failure;
use crate::pg::ids::{core_uuid, sql_uuid};
use crate::pg::spi::{self, arg};

/// One row of `deed.list_principals`.
pub struct Row {
    /// The principal; everyone and users as themselves.
    pub id: Uuid,
    /// Label of what it is, if it is registered or built in.
    pub kind: Option<pg_sys::Oid>,
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Label of the level that it holds.
    pub level: pg_sys::Oid,
    /// Continues behind this row.
    pub cursor: String,
}

/// From the live grants down to whoever holds what their recipients hold, each with the greatest
/// level on its ways; then what everyone and users give to all of them. `OFFSET 0` keeps the
/// planner, which can't know how few rows the recursion finds, from joining whole tables.
const WHO: &str = "\
    WITH RECURSIVE granted (id, level) AS ( \
      SELECT p.recipient_id, p.level \
      FROM deed.permission AS p JOIN deed.document AS d ON d.id = p.document_id \
      WHERE p.document_id = $1 AND d.created_at IS NOT NULL AND d.deleted_at IS NULL \
        AND p.level IS NOT NULL \
        AND (p.expires_at IS NULL OR p.expires_at > pg_catalog.statement_timestamp()) \
        AND NOT EXISTS (SELECT FROM deed.principal AS r \
          WHERE r.id = p.recipient_id AND r.removed_at IS NOT NULL)), \
    reached (id, level) AS ( \
      SELECT * FROM granted \
      UNION \
      SELECT e.member_id, r.level \
      FROM reached AS r CROSS JOIN LATERAL (SELECT e.member_id FROM deed.live_edge AS e \
        WHERE e.group_id = r.id OFFSET 0) AS e), \
    built_in (everyone, users) AS ( \
      SELECT (SELECT level FROM granted WHERE id = deed.everyone()), \
        (SELECT level FROM granted WHERE id = deed.users())), \
    held (id, kind, name, description, level) AS ( \
      SELECT r.id, CASE WHEN b.id IS NULL THEN p.kind ELSE 'group' END, p.name, p.description, \
        greatest(r.level, a.everyone, CASE WHEN p.kind = 'user' THEN a.users END) \
      FROM (SELECT id, pg_catalog.max(level) AS level FROM reached GROUP BY id) AS r \
      CROSS JOIN built_in AS a \
      LEFT JOIN LATERAL (SELECT p.kind, p.name, p.description FROM deed.principal AS p \
        WHERE p.id = r.id OFFSET 0) AS p ON true \
      LEFT JOIN (VALUES (deed.everyone()), (deed.users())) AS b (id) ON b.id = r.id \
      WHERE b.id IS NOT NULL OR p.kind <> 'group' OR p.kind IS NULL \
        AND (SELECT true FROM deed.membership AS m \
          WHERE m.group_id = r.id AND NOT m.removed ORDER BY m.member_id LIMIT 1) IS NULL) \
    SELECT h.id, h.kind, h.name, h.description, h.level FROM held AS h \
    WHERE h.level >= $2::deed.permission_level AND ($3 IS NULL OR h.id > $3) \
    ORDER BY h.id LIMIT $4";

/// The first page when `after` is none, else the one behind that cursor.
pub fn page(
    document: Uuid,
    level: Level,
    after: Option<&str>,
    rows: i32,
) -> Result<Vec<Row>, Failure> {
    let limit = page_size(rows)?;
    let binding: &[&[u8]] = &[
        b"list_principals",
        document.as_bytes(),
        level.word().as_bytes(),
    ];
    let after = open(binding, after)?.map(pgrx::Uuid::from_bytes);
    let arguments = [
        arg(sql_uuid(document)),
        arg(level.word()),
        arg(after),
        arg(limit as i64),
    ];
    Ok(spi::read(WHO, &arguments, |row| {
        let id = core_uuid(row.get(1)?);
        Some(Row {
            id,
            kind: row.get(2),
            name: row.get(3),
            description: row.get(4),
            level: row.get(5)?,
            cursor: cursor::seal(binding, id.as_bytes()),
        })
    })
    .into_iter()
    .flatten()
    .collect())
}
