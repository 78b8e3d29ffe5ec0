//! The permissions in the order of lists, derived under the lock of their document.
//!
//! What a document's rows were follows from what its registers held, what they will be from these and the
//! decision. So both are computed, and what differs is written by its whole key: the table needs no
//! index by document.

mod changes;

use deed_core::Level;
use deed_core::decide::Decision;
use uuid::Uuid;

use self::changes::{Changes, Listed};
use super::before::{Before, Document, touched};
use crate::pg::ids::{sql_uuid, sql_uuids};
use crate::pg::spi::{self, arg};

/// The sort key of documents that are wide.
const INFINITY: i64 = i64::MAX;

/// Brings the table in step with what the batch is going to write. Before that, for it reads what the
/// registers of documents that are purged held.
pub fn follow(before: &Before, decision: &Decision) {
    purge(decision);
    let mut changes = Changes::default();
    for id in touched(decision) {
        let old = before.document(&id);
        let new = old.after(id, decision);
        for recipient in new.permissions.keys() {
            changes.note(*recipient, id, old.listed(recipient), new.listed(recipient));
        }
    }
    changes.write();
}

/// Deletes the rows of documents that the batch purges, wherever they are sorted.
fn purge(decision: &Decision) {
    if decision.purged.is_empty() {
        return;
    }
    let documents: Vec<pgrx::Uuid> = decision.purged.keys().copied().map(sql_uuid).collect();
    spi::execute(
        "DELETE FROM deed.listing AS l \
         USING (SELECT p.recipient_id, p.level, s.last_modified, p.document_id \
             FROM unnest($1) AS n (id) \
             CROSS JOIN LATERAL (SELECT * FROM deed.document AS d WHERE d.id = n.id OFFSET 0) AS d \
             CROSS JOIN LATERAL (SELECT * FROM deed.permission AS p \
               WHERE p.document_id = n.id OFFSET 0) AS p \
             CROSS JOIN LATERAL (VALUES (d.last_modified), ('infinity')) AS s (last_modified) \
             OFFSET 0) AS o \
         WHERE l.recipient_id = o.recipient_id AND l.level = o.level \
           AND l.last_modified = o.last_modified AND l.document_id = o.document_id",
        &[arg(documents)],
    );
}

/// Takes out the rows of these documents, recipients and levels, wherever they are sorted. Behind the documents' locks.
pub fn remove(rows: &[(Uuid, Uuid, Level)]) {
    let documents: Vec<Uuid> = rows.iter().map(|(document, ..)| *document).collect();
    let recipients: Vec<Uuid> = rows.iter().map(|(_, recipient, _)| *recipient).collect();
    let levels: Vec<&'static str> = rows.iter().map(|(.., level)| level.word()).collect();
    spi::execute(
        "DELETE FROM deed.listing AS l \
         USING (SELECT n.recipient_id, n.level::deed.permission_level AS level, s.last_modified, \
               n.document_id \
             FROM ROWS FROM (unnest($1), unnest($2), unnest($3)) AS n (document_id, recipient_id, level) \
             CROSS JOIN LATERAL (SELECT * FROM deed.document AS d \
               WHERE d.id = n.document_id OFFSET 0) AS d \
             CROSS JOIN LATERAL (VALUES (d.last_modified), ('infinity')) AS s (last_modified) \
             OFFSET 0) AS o \
         WHERE l.recipient_id = o.recipient_id AND l.level = o.level \
           AND l.last_modified = o.last_modified AND l.document_id = o.document_id",
        &[
            arg(sql_uuids(&documents)),
            arg(sql_uuids(&recipients)),
            arg(levels),
        ],
    );
}

impl Document {
    /// The recipient's row, if it has one.
    fn listed(&self, recipient: &Uuid) -> Option<Listed> {
        let permission = self.permissions.get(recipient)?;
        let last_modified = match self.wide {
            true => INFINITY,
            false => self
                .last_modified
                .filter(|_| self.created && !self.deleted)?,
        };
        Some(Listed {
            level: permission.level?,
            last_modified,
            expires_at: permission.expires_at,
        })
    }
}
