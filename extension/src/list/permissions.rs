//! The permissions on a document.

use deed_core::cursor;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use uuid::Uuid;

use super::{open, page_size};
use crate::failure::Failure;
use crate::pg::ids::{core_uuid, sql_uuid};
use crate::pg::spi::{self, arg};

/// One row of `deed.list_permissions`.
pub struct Row {
    /// Who holds it.
    pub recipient: Uuid,
    /// Label of what the recipient is; built-in recipients are groups, unregistered ones unknown.
    pub kind: Option<pg_sys::Oid>,
    /// The recipient's name.
    pub name: Option<String>,
    /// The recipient's description.
    pub description: Option<String>,
    /// Label of the level granted.
    pub level: pg_sys::Oid,
    /// By whom.
    pub granted_by: Option<pgrx::Uuid>,
    /// When.
    pub granted_at: TimestampWithTimeZone,
    /// Until when; none is for ever.
    pub expires_at: Option<TimestampWithTimeZone>,
    /// Continues behind this row.
    pub cursor: String,
}

/// The first page when `after` is none, else the one behind that cursor.
pub fn page(document: Uuid, after: Option<&str>, rows: i32) -> Result<Vec<Row>, Failure> {
    let limit = page_size(rows)?;
    let binding: &[&[u8]] = &[b"list_permissions", document.as_bytes()];
    let after = open(binding, after)?.map(pgrx::Uuid::from_bytes);
    let sql = "SELECT p.recipient_id, \
           CASE WHEN p.recipient_id IN (deed.everyone(), deed.users()) \
             THEN 'group'::deed.permission_recipient ELSE r.kind END, \
           r.name, r.description, p.level, p.granted_by, p.granted_at, p.expires_at \
         FROM deed.permission AS p LEFT JOIN deed.principal AS r ON r.id = p.recipient_id \
         WHERE p.document_id = $1 AND p.level IS NOT NULL \
           AND (p.expires_at IS NULL OR p.expires_at > pg_catalog.statement_timestamp()) \
           AND r.removed_at IS NULL \
           AND ($2 IS NULL OR p.recipient_id > $2) \
         ORDER BY p.recipient_id LIMIT $3";
    let arguments = [arg(sql_uuid(document)), arg(after), arg(limit as i64)];
    Ok(spi::read(sql, &arguments, |row| {
        let recipient = core_uuid(row.get(1)?);
        Some(Row {
            recipient,
            kind: row.get(2),
            name: row.get(3),
            description: row.get(4),
            level: row.get(5)?,
            granted_by: row.get(6),
            granted_at: row.get(7)?,
            expires_at: row.get(8),
            cursor: cursor::seal(binding, recipient.as_bytes()),
        })
    })
    .into_iter()
    .flatten()
    .collect())
}
