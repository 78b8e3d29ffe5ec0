//! The registers of documents, under the lock of their row.

use deed_core::decide::{Decision, Held};
use deed_core::fact::{DocumentRegister, Fact, Register};
use deed_core::version::Version;
use pgrx::datum::{DatumWithOid, TimestampWithTimeZone};
use uuid::Uuid;

use super::rows::Rows;
use super::sql_time;
use crate::pg::ids::{sql_uuid, sql_uuids};
use crate::pg::spi::arg;

const ROWS: Rows<DocumentRegister, 5> = Rows {
    table: "deed.document",
    columns: "id, creation_version, created_at, created_by, title_version, title, \
    metadata_version, metadata, content_version, content, deleted_version, deleted_at, \
    deleted_by, last_modified, last_modified_by, purged",
    source: SOURCE,
    registers: [
        (
            DocumentRegister::Creation,
            "creation_version",
            "created_at, created_by",
        ),
        (DocumentRegister::Title, "title_version", "title"),
        (DocumentRegister::Metadata, "metadata_version", "metadata"),
        (DocumentRegister::Content, "content_version", "content"),
        (
            DocumentRegister::Lifecycle,
            "deleted_version",
            "deleted_at, deleted_by",
        ),
    ],
    ended: "n.purged",
    mark: "purged",
    rest: ", purged = n.purged, \
      last_modified = CASE WHEN n.purged THEN NULL \
        ELSE coalesce(n.last_modified, t.last_modified) END, \
      last_modified_by = CASE WHEN n.purged THEN NULL \
        ELSE coalesce(n.last_modified_by, t.last_modified_by) END",
};

const SOURCE: &str = "(SELECT u.id, u.creation_version, u.created_at, u.created_by, \
      u.title_version, u.title, u.metadata_version, u.metadata::jsonb AS metadata, \
      u.content_version, u.content::jsonb AS content, u.deleted_version, u.deleted_at, \
      u.deleted_by, u.last_modified, u.last_modified_by, u.purged \
    FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), \
      unnest($7), unnest($8), unnest($9), unnest($10), unnest($11), unnest($12), unnest($13), \
      unnest($14), unnest($15), unnest($16)) \
    AS u (id, creation_version, created_at, created_by, title_version, title, metadata_version, \
      metadata, content_version, content, deleted_version, deleted_at, deleted_by, \
      last_modified, last_modified_by, purged)) AS n";

/// Writes those that are new, whole; gives the others, ascending.
///
/// A document that only has permissions yet gets a row too: its lock orders them.
pub fn insert(ids: &[Uuid], decision: &Decision) -> Vec<Uuid> {
    ROWS.insert(ids, |unknown| rows(unknown, decision))
}

/// Locks the rows in order and adds the versions that they hold, or that they are purged.
pub fn lock(ids: &[Uuid], held: &mut Held) {
    let purged = ROWS.lock(ids, held, Register::Document);
    held.purged.extend(purged);
}

/// Writes the registers of known documents that changed.
pub fn update(known: &[Uuid], decision: &Decision) {
    let changed: Vec<Uuid> = known
        .iter()
        .copied()
        .filter(|id| {
            decision.purged.contains_key(id)
                || ROWS
                    .registers
                    .iter()
                    .any(|(part, ..)| taken(decision, *id, *part).is_some())
        })
        .collect();
    if !changed.is_empty() {
        ROWS.update(&rows(&changed, decision));
    }
}

fn taken(decision: &Decision, id: Uuid, part: DocumentRegister) -> Option<&(Version, Fact)> {
    decision.taken.get(&Register::Document(id, part))
}

/// The values of one row, in the order of the table's columns.
#[derive(Default)]
struct Columns {
    versions: [Vec<Option<Vec<u8>>>; 5],
    created_at: Vec<Option<TimestampWithTimeZone>>,
    created_by: Vec<Option<pgrx::Uuid>>,
    title: Vec<Option<String>>,
    metadata: Vec<Option<String>>,
    content: Vec<Option<String>>,
    deleted_at: Vec<Option<TimestampWithTimeZone>>,
    deleted_by: Vec<Option<pgrx::Uuid>>,
    last_modified: Vec<Option<TimestampWithTimeZone>>,
    last_modified_by: Vec<Option<pgrx::Uuid>>,
    purged: Vec<bool>,
}

/// The arguments of [`SOURCE`].
fn rows<'a>(ids: &[Uuid], decision: &Decision) -> Vec<DatumWithOid<'a>> {
    let mut columns = Columns::default();
    for id in ids {
        let part = |part| taken(decision, *id, part);
        for (i, (register, ..)) in ROWS.registers.into_iter().enumerate() {
            let version = part(register).map(|(version, _)| version.as_bytes().to_vec());
            columns.versions[i].push(version);
        }
        let (created_at, created_by) = match part(DocumentRegister::Creation) {
            Some((version, Fact::Creation { by })) => (Some(sql_time(version.time())), Some(*by)),
            _ => (None, None),
        };
        columns.created_at.push(created_at);
        columns.created_by.push(created_by.map(sql_uuid));
        columns.title.push(match part(DocumentRegister::Title) {
            Some((_, Fact::Title { title, .. })) => title.clone(),
            _ => None,
        });
        columns
            .metadata
            .push(match part(DocumentRegister::Metadata) {
                Some((_, Fact::Metadata { metadata, .. })) => metadata.clone(),
                _ => None,
            });
        columns.content.push(match part(DocumentRegister::Content) {
            Some((_, Fact::Content { content, .. })) => content.clone(),
            _ => None,
        });
        let (deleted_at, deleted_by) = match part(DocumentRegister::Lifecycle) {
            Some((version, Fact::Deleted { by })) => (Some(sql_time(version.time())), *by),
            _ => (None, None),
        };
        columns.deleted_at.push(deleted_at);
        columns.deleted_by.push(deleted_by.map(sql_uuid));
        let modification = decision.modified.get(id);
        columns
            .last_modified
            .push(modification.map(|m| sql_time(m.version.time())));
        columns
            .last_modified_by
            .push(modification.map(|m| sql_uuid(m.by)));
        columns.purged.push(decision.purged.contains_key(id));
    }
    let [creation, title, metadata, content, lifecycle] = columns.versions;
    vec![
        arg(sql_uuids(ids)),
        arg(creation),
        arg(columns.created_at),
        arg(columns.created_by),
        arg(title),
        arg(columns.title),
        arg(metadata),
        arg(columns.metadata),
        arg(content),
        arg(columns.content),
        arg(lifecycle),
        arg(columns.deleted_at),
        arg(columns.deleted_by),
        arg(columns.last_modified),
        arg(columns.last_modified_by),
        arg(columns.purged),
    ]
}
