//! The direct members of a group.

use deed_core::cursor;
use pgrx::pg_sys;
use uuid::Uuid;

use super::{open, page_size};
use crate::failure::Failure;
use crate::pg::ids::{core_uuid, sql_uuid};
use crate::pg::spi::{self, arg};

/// One row of `deed.list_members`.
pub struct Row {
    /// The member.
    pub id: Uuid,
    /// Label of what it is, if it is registered.
    pub kind: Option<pg_sys::Oid>,
    /// Its name.
    pub name: Option<String>,
    /// Continues behind this row.
    pub cursor: String,
}

/// The first page when `after` is none, else the one behind that cursor.
pub fn page(group: Uuid, after: Option<&str>, rows: i32) -> Result<Vec<Row>, Failure> {
    let limit = page_size(rows)?;
    let binding: &[&[u8]] = &[b"list_members", group.as_bytes()];
    let after = open(binding, after)?.map(pgrx::Uuid::from_bytes);
    let sql = "SELECT m.member_id, p.kind, p.name \
         FROM deed.membership AS m \
         LEFT JOIN deed.principal AS g ON g.id = m.group_id \
         LEFT JOIN deed.principal AS p ON p.id = m.member_id \
         WHERE m.group_id = $1 AND NOT m.removed \
           AND g.removed_at IS NULL AND p.removed_at IS NULL \
           AND ($2 IS NULL OR m.member_id > $2) \
         ORDER BY m.member_id LIMIT $3";
    let arguments = [arg(sql_uuid(group)), arg(after), arg(limit as i64)];
    Ok(spi::read(sql, &arguments, |row| {
        let id = core_uuid(row.get(1)?);
        Some(Row {
            id,
            kind: row.get(2),
            name: row.get(3),
            cursor: cursor::seal(binding, id.as_bytes()),
        })
    })
    .into_iter()
    .flatten()
    .collect())
}
