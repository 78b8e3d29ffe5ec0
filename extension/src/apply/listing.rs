//! The permissions in the order of lists, derived under the lock of their document.
//!
//! What a document's rows were follows from what its registers held, what they will be from these and the
//! decision. So both are computed, and what differs is written by its whole key: the table needs no
//! index by document.

mod changes;

use deed_core::decide::Decision;
use uuid::Uuid;

use self::changes::{Changes, Listed};
use super::before::{Before, Document, touched};
use crate::pg::ids::sql_uuid;
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
