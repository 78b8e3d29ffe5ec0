//! The documents that a principal can see.

use deed_core::{Level, cursor};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use uuid::Uuid;

use super::{open, pack, page_size, unpack};
use crate::closure;
use crate::failure::Failure;
use crate::pg::enums::DocumentSort;
use crate::pg::ids::{core_uuid, sql_uuid};
use crate::pg::spi::{self, arg};

/// One row of `deed.list_documents`.
pub struct Row {
    /// The document.
    pub id: Uuid,
    /// Label of the level that the principal holds.
    pub level: pg_sys::Oid,
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
    /// Continues behind this row.
    pub cursor: String,
}

/// The first page when `after` is none, else the one behind that cursor.
pub fn page(
    principal: Uuid,
    level: Level,
    sort: DocumentSort,
    after: Option<&str>,
    rows: i32,
) -> Result<Vec<Row>, Failure> {
    let limit = page_size(rows)?;
    let binding: &[&[u8]] = &[
        b"list_documents",
        principal.as_bytes(),
        level.word().as_bytes(),
        sort.word().as_bytes(),
    ];
    let after = open(binding, after)?.map(unpack);
    let (condition, order) = match sort {
        DocumentSort::LastModified => (
            "(d.last_modified, d.id) < ($3, $4)",
            "d.last_modified DESC, d.id DESC",
        ),
        DocumentSort::Id => ("d.id > $4", "d.id"),
    };
    let sql = format!(
        "SELECT d.id, g.level, d.title, d.created_at, d.created_by, d.last_modified, \
           d.last_modified_by \
         FROM (SELECT l.document_id, pg_catalog.max(l.level) AS level \
           FROM deed.listing AS l \
           WHERE l.recipient_id = ANY ($1) \
             AND (l.expires_at IS NULL OR l.expires_at > pg_catalog.statement_timestamp()) \
           GROUP BY l.document_id) AS g \
         JOIN deed.document AS d ON d.id = g.document_id \
         WHERE g.level >= $2::deed.permission_level \
           AND d.created_at IS NOT NULL AND d.deleted_at IS NULL \
           AND ($4 IS NULL OR {condition}) \
         ORDER BY {order} LIMIT $5"
    );
    let closure: Vec<_> = closure::of(principal)?.into_iter().map(sql_uuid).collect();
    let arguments = [
        arg(closure),
        arg(level.word()),
        arg(after.as_ref().map(|(last_modified, _)| *last_modified)),
        arg(after.as_ref().map(|(_, id)| sql_uuid(*id))),
        arg(limit),
    ];
    Ok(spi::read(&sql, &arguments, |row| {
        let id = core_uuid(row.get(1)?);
        let last_modified: TimestampWithTimeZone = row.get(6)?;
        Some(Row {
            id,
            level: row.get(2)?,
            title: row.get(3),
            created_at: row.get(4)?,
            created_by: row.get(5)?,
            last_modified,
            last_modified_by: row.get(7)?,
            cursor: cursor::seal(binding, &pack(last_modified, id)),
        })
    })
    .into_iter()
    .flatten()
    .collect())
}
