//! The trash of a principal: what it would own if it were restored.

use deed_core::cursor;
use pgrx::datum::TimestampWithTimeZone;
use uuid::Uuid;

use super::{open, pack, page_size, unpack};
use crate::closure;
use crate::failure::Failure;
use crate::pg::btree::ask;
use crate::pg::ids::{core_uuid, sql_uuid, sql_uuids};
use crate::pg::spi::{self, arg};

/// One row of `deed.list_deleted`.
pub struct Row {
    /// The document.
    pub id: Uuid,
    /// Its title.
    pub title: Option<String>,
    /// When it was created.
    pub created_at: TimestampWithTimeZone,
    /// Its creator.
    pub created_by: pgrx::Uuid,
    /// When it was last modified.
    pub last_modified: TimestampWithTimeZone,
    /// By whom it was last modified.
    pub last_modified_by: pgrx::Uuid,
    /// When it was deleted.
    pub deleted_at: TimestampWithTimeZone,
    /// By whom, if known.
    pub deleted_by: Option<pgrx::Uuid>,
    /// Continues behind this row.
    pub cursor: String,
}

/// The first page when `after` is none, else the one behind that cursor; last deleted first.
pub fn page(principal: Uuid, after: Option<&str>, rows: i32) -> Result<Vec<Row>, Failure> {
    let limit = page_size(rows)?;
    let binding: &[&[u8]] = &[b"list_deleted", principal.as_bytes()];
    let after = open(binding, after)?.map(unpack);
    let sql = "SELECT d.id, d.title, d.created_at, d.created_by, d.last_modified, \
           d.last_modified_by, d.deleted_at, d.deleted_by \
         FROM deed.document AS d \
         WHERE d.created_at IS NOT NULL AND d.deleted_at IS NOT NULL \
           AND EXISTS (SELECT FROM deed.permission AS p \
             WHERE p.document_id = d.id AND p.recipient_id = ANY ($1) AND p.level = 'owner' \
               AND (p.expires_at IS NULL OR p.expires_at > pg_catalog.statement_timestamp())) \
           AND ($3 IS NULL OR (d.deleted_at, d.id) < ($2, $3)) \
         ORDER BY d.deleted_at DESC, d.id DESC LIMIT $4";
    let closure = ask(|indexes| closure::of(indexes, principal))?;
    let arguments = [
        arg(sql_uuids(&closure)),
        arg(after.as_ref().map(|(deleted_at, _)| *deleted_at)),
        arg(after.as_ref().map(|(_, id)| sql_uuid(*id))),
        arg(limit as i64),
    ];
    Ok(spi::read(sql, &arguments, |row| {
        let id = core_uuid(row.get(1)?);
        let deleted_at = row.get(7)?;
        Some(Row {
            id,
            title: row.get(2),
            created_at: row.get(3)?,
            created_by: row.get(4)?,
            last_modified: row.get(5)?,
            last_modified_by: row.get(6)?,
            deleted_at,
            deleted_by: row.get(8),
            cursor: cursor::seal(binding, &pack(deleted_at, id)),
        })
    })
    .into_iter()
    .flatten()
    .collect())
}
