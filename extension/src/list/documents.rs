//! The documents that a principal can see.

use deed_core::{Level, cursor};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use uuid::Uuid;

use super::{open, page_size};
use crate::failure::Failure;
use crate::pg::enums::DocumentSort;
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
        "SELECT d.id, p.level, d.title, d.created_at, d.created_by, d.last_modified, \
           d.last_modified_by \
         FROM deed.permission AS p JOIN deed.document AS d ON d.id = p.document_id \
         WHERE p.recipient_id = $1 AND p.level >= $2::deed.permission_level \
           AND (p.expires_at IS NULL OR p.expires_at > pg_catalog.statement_timestamp()) \
           AND d.created_at IS NOT NULL AND d.deleted_at IS NULL \
           AND ($4 IS NULL OR {condition}) \
         ORDER BY {order} LIMIT $5"
    );
    let arguments = [
        arg(pgrx::Uuid::from_bytes(*principal.as_bytes())),
        arg(level.word()),
        arg(after.as_ref().map(|(last_modified, _)| *last_modified)),
        arg(after
            .as_ref()
            .map(|(_, id)| pgrx::Uuid::from_bytes(*id.as_bytes()))),
        arg(limit),
    ];
    Ok(spi::read(&sql, &arguments, |row| {
        let id = Uuid::from_bytes(*row.get::<pgrx::Uuid>(1)?.as_bytes());
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

/// The whole sort key, for either order: microseconds since 2000, then the id.
fn pack(last_modified: TimestampWithTimeZone, id: Uuid) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&i64::from(last_modified).to_be_bytes());
    key[8..].copy_from_slice(id.as_bytes());
    key
}

fn unpack(key: [u8; 24]) -> (Option<TimestampWithTimeZone>, Uuid) {
    let mut micros = [0; 8];
    micros.copy_from_slice(&key[..8]);
    let mut id = [0; 16];
    id.copy_from_slice(&key[8..]);
    let micros = i64::from_be_bytes(micros);
    (
        TimestampWithTimeZone::try_from(micros).ok(),
        Uuid::from_bytes(id),
    )
}
