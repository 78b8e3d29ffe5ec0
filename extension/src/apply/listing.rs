//! The permissions in the order of lists, derived under the lock of their document.
//!
//! What a document's rows were follows from what its registers held, what they will be from these and the
//! decision. So both are computed, and what differs is written by its whole key: the table needs no
//! index by document.

mod changes;

use std::collections::{BTreeSet, HashMap};

use deed_core::Level;
use deed_core::decide::Decision;
use deed_core::fact::{DocumentRegister, Fact, Register};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use uuid::Uuid;

use self::changes::{Changes, Listed};
use crate::pg::enums::oid_of;
use crate::pg::ids::{core_uuid, sql_uuid, sql_uuids};
use crate::pg::spi::{self, Row, arg};

/// A document with more permissions than this, tombstones included, is wide: its rows carry no sort
/// key, for an update would have to move them all. A part of the law: another number needs the
/// table filled anew.
const WIDE: usize = 100;
/// The sort key of those.
const INFINITY: i64 = i64::MAX;

/// What decides of one document's rows.
#[derive(Clone, Default)]
struct Document {
    created: bool,
    deleted: bool,
    /// Microseconds since 2000, as all times here.
    last_modified: Option<i64>,
    /// All of them; of a document that was wide already those alone that the batch changes.
    permissions: HashMap<Uuid, Permission>,
    wide: bool,
}

#[derive(Clone, Copy)]
struct Permission {
    level: Option<Level>,
    expires_at: Option<i64>,
}

/// Brings the table in step with what the batch is going to write. Before that, for it reads what the
/// registers hold.
pub fn follow(known: &[Uuid], decision: &Decision) {
    purge(decision);
    let touched = touched(decision);
    let mut before = read(&touched, known, decision);
    let mut changes = Changes::default();
    for id in touched {
        let old = before.remove(&id).unwrap_or_default();
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
    let documents: Vec<pgrx::Uuid> = decision.purged.iter().copied().map(sql_uuid).collect();
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

/// The documents whose rows the batch may change.
fn touched(decision: &Decision) -> BTreeSet<Uuid> {
    let of = |register: &Register| match register {
        Register::Document(id, DocumentRegister::Creation | DocumentRegister::Lifecycle) => {
            Some(*id)
        }
        Register::Permission { document, .. } => Some(*document),
        _ => None,
    };
    let taken = decision.taken.keys().filter_map(of);
    taken.chain(decision.modified.keys().copied()).collect()
}

/// What the registers hold of those documents that have a row.
fn read(touched: &BTreeSet<Uuid>, known: &[Uuid], decision: &Decision) -> HashMap<Uuid, Document> {
    let is_known = |id: &&Uuid| known.binary_search(id).is_ok();
    let ids: Vec<Uuid> = touched.iter().filter(is_known).copied().collect();
    let mut documents: HashMap<Uuid, Document> = HashMap::new();
    if ids.is_empty() {
        return documents;
    }
    let levels = Level::ALL.map(|level| (level, oid_of(level)));
    let permission = |row: &Row, at: i32| {
        let level = row.get::<pg_sys::Oid>(at);
        Permission {
            level: levels
                .iter()
                .find(|(_, oid)| Some(*oid) == level)
                .map(|of| of.0),
            expires_at: time(row, at + 1),
        }
    };
    // No further than it takes to tell whether a document is wide.
    spi::write(
        "SELECT n.id, p.recipient_id, p.level, p.expires_at, d.created_at IS NOT NULL, \
           d.deleted_at IS NOT NULL, d.last_modified \
         FROM unnest($1) AS n (id) \
         CROSS JOIN LATERAL (SELECT * FROM deed.document AS d WHERE d.id = n.id OFFSET 0) AS d \
         LEFT JOIN LATERAL (SELECT p.recipient_id, p.level, p.expires_at \
           FROM deed.permission AS p WHERE p.document_id = n.id LIMIT $2 + 1) AS p ON true",
        &[arg(sql_uuids(&ids)), arg(WIDE as i64)],
        |row| {
            let id = core_uuid(row.get(1)?);
            let document = documents.entry(id).or_insert_with(|| Document {
                created: row.get(5) == Some(true),
                deleted: row.get(6) == Some(true),
                last_modified: time(row, 7),
                ..Document::default()
            });
            let recipient = core_uuid(row.get(2)?);
            document.permissions.insert(recipient, permission(row, 3));
            Some(())
        },
    );
    for document in documents.values_mut() {
        if document.permissions.len() > WIDE {
            document.wide = true;
            document.permissions.clear();
        }
    }
    let of_wide = decision.taken.keys().filter_map(|register| match register {
        Register::Permission {
            document,
            recipient,
        } if documents.get(document).is_some_and(|of| of.wide) => Some((*document, *recipient)),
        _ => None,
    });
    let (ids, recipients): (Vec<Uuid>, Vec<Uuid>) = of_wide.unzip();
    if !ids.is_empty() {
        spi::write(
            "SELECT p.document_id, p.recipient_id, p.level, p.expires_at \
             FROM ROWS FROM (unnest($1), unnest($2)) AS n (document_id, recipient_id) \
             CROSS JOIN LATERAL (SELECT * FROM deed.permission AS p \
               WHERE p.document_id = n.document_id AND p.recipient_id = n.recipient_id \
               OFFSET 0) AS p",
            &[arg(sql_uuids(&ids)), arg(sql_uuids(&recipients))],
            |row| {
                let document = documents.get_mut(&core_uuid(row.get(1)?))?;
                let recipient = core_uuid(row.get(2)?);
                document.permissions.insert(recipient, permission(row, 3));
                Some(())
            },
        );
    }
    documents
}

impl Document {
    /// What it is when the batch is written.
    fn after(&self, id: Uuid, decision: &Decision) -> Self {
        let mut after = self.clone();
        let taken = |part| decision.taken.get(&Register::Document(id, part));
        after.created |= taken(DocumentRegister::Creation).is_some();
        if let Some((_, lifecycle)) = taken(DocumentRegister::Lifecycle) {
            after.deleted = matches!(lifecycle, Fact::Deleted { .. });
        }
        if let Some(modification) = decision.modified.get(&id) {
            after.last_modified = Some(modification.version.time().to_postgres_micros());
        }
        let permission = |recipient| Register::Permission {
            document: id,
            recipient,
        };
        let permissions = permission(Uuid::nil())..=permission(Uuid::max());
        for (register, (_, fact)) in decision.taken.range(permissions) {
            if let (
                Register::Permission { recipient, .. },
                Fact::Permission {
                    level, expires_at, ..
                },
            ) = (register, fact)
            {
                let permission = Permission {
                    level: *level,
                    expires_at: expires_at.map(|at| at.to_postgres_micros()),
                };
                after.permissions.insert(*recipient, permission);
            }
        }
        after.wide |= after.permissions.len() > WIDE;
        after
    }

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

fn time(row: &Row, column: i32) -> Option<i64> {
    row.get::<TimestampWithTimeZone>(column).map(i64::from)
}
