//! The permissions in the order of lists, derived under the lock of their document.
//!
//! What a batch may change is taken out before it writes, by the keys that the old rows give, and
//! put in afterwards from the new ones: so the table needs no index by document.

use std::collections::{BTreeSet, HashMap};

use deed_core::decide::{Decision, Held};
use deed_core::fact::{DocumentRegister, Register};
use uuid::Uuid;

use crate::pg::ids::{core_uuid, sql_uuid, sql_uuids};
use crate::pg::spi::{self, arg};

/// A document with more permissions than this, tombstones included, is wide: its rows carry no sort
/// key, for an update would have to move them all. A part of the law: another number needs the
/// table filled anew.
const WIDE: i64 = 100;

/// The rows of a batch that have to go and to come.
pub struct Change {
    /// Documents of which all rows change.
    documents: Rows,
    /// Single permissions on other documents.
    permissions: Rows,
    /// The documents among them that are wide afterwards.
    wide: BTreeSet<Uuid>,
}

/// Documents, each with the recipient where it is about a single permission.
#[derive(Default)]
struct Rows {
    documents: Vec<Uuid>,
    recipients: Vec<Uuid>,
}

/// Takes out the rows that the batch may change. Before anything is written.
pub fn take_out(known: &[Uuid], decision: &Decision, held: &Held) -> Change {
    let touched: BTreeSet<Uuid> = decision
        .taken
        .keys()
        .filter_map(|register| match register {
            Register::Document(document, _) | Register::Permission { document, .. } => {
                Some(*document)
            }
            _ => None,
        })
        .chain(decision.purged.iter().copied())
        .collect();
    let mut permissions = counts(&touched, known);
    let wide_before = wide(&permissions);
    for register in decision.taken.keys() {
        if let Register::Permission { document, .. } = register
            && !held.versions.contains_key(register)
        {
            *permissions.entry(*document).or_default() += 1;
        }
    }
    let wide_after = wide(&permissions);

    let moves = |document: &Uuid| {
        let takes = |part| {
            let register = Register::Document(*document, part);
            decision.taken.contains_key(&register)
        };
        let has_sort_key = !wide_before.contains(document);
        let sorts_or_lives = decision.modified.contains_key(document)
            || takes(DocumentRegister::Creation)
            || takes(DocumentRegister::Lifecycle);
        has_sort_key && (sorts_or_lives || wide_after.contains(document))
            || decision.purged.contains(document)
    };
    let (whole, others): (BTreeSet<Uuid>, BTreeSet<Uuid>) = touched.into_iter().partition(moves);
    let mut change = Change {
        documents: Rows {
            documents: whole.into_iter().collect(),
            recipients: Vec::new(),
        },
        permissions: Rows::default(),
        wide: wide_after,
    };
    // Those that were there before.
    let mut old_permissions = Rows::default();
    for register in decision.taken.keys() {
        if let Register::Permission {
            document,
            recipient,
        } = register
            && others.contains(document)
        {
            change.permissions.push(*document, *recipient);
            if held.versions.contains_key(register) {
                old_permissions.push(*document, *recipient);
            }
        }
    }
    let is_known = |id: &&Uuid| known.binary_search(id).is_ok();
    let old_documents = Rows {
        documents: change
            .documents
            .documents
            .iter()
            .filter(is_known)
            .copied()
            .collect(),
        recipients: Vec::new(),
    };
    for (rows, recipients) in [(old_documents, ""), (old_permissions, RECIPIENTS)] {
        rows.run(
            &format!(
                "DELETE FROM deed.listing AS l \
                 USING (SELECT p.recipient_id, p.level, {SORT_KEY} AS last_modified, \
                     p.document_id FROM {OF}{recipients}{LOOKED_UP} OFFSET 0) AS o \
                 WHERE l.recipient_id = o.recipient_id AND l.level = o.level \
                   AND l.last_modified = o.last_modified AND l.document_id = o.document_id"
            ),
            &wide_before,
        );
    }
    change
}

/// Puts in what the registers now say. After everything is written.
pub fn put_in(change: &Change) {
    let rows = [(&change.documents, ""), (&change.permissions, RECIPIENTS)];
    for (rows, recipients) in rows {
        rows.run(
            &format!(
                "INSERT INTO deed.listing \
                   (recipient_id, level, last_modified, document_id, expires_at) \
                 SELECT p.recipient_id, p.level, {SORT_KEY}, p.document_id, p.expires_at \
                 FROM {OF}{recipients}{LOOKED_UP} \
                 WHERE p.level IS NOT NULL \
                   AND (n.wide OR d.created_at IS NOT NULL AND d.deleted_at IS NULL) \
                 ON CONFLICT (recipient_id, level, last_modified, document_id) \
                 DO UPDATE SET expires_at = excluded.expires_at"
            ),
            &change.wide,
        );
    }
}

/// The permissions of the documents given; with [`RECIPIENTS`], only the given one of each. `OFFSET 0`
/// keeps the planner, which can't know how much a recipient sees, from looking rows up by less than
/// their whole key.
const OF: &str = "ROWS FROM (unnest($1), unnest($2), unnest($3)) \
      AS n (document_id, wide, recipient_id) \
    CROSS JOIN LATERAL (SELECT * FROM deed.document AS d WHERE d.id = n.document_id OFFSET 0) AS d \
    CROSS JOIN LATERAL (SELECT * FROM deed.permission AS p WHERE p.document_id = n.document_id";
const RECIPIENTS: &str = " AND p.recipient_id = n.recipient_id";
/// Closes it.
const LOOKED_UP: &str = " OFFSET 0) AS p";
const SORT_KEY: &str = "CASE WHEN n.wide THEN 'infinity' ELSE d.last_modified END";

impl Rows {
    fn push(&mut self, document: Uuid, recipient: Uuid) {
        self.documents.push(document);
        self.recipients.push(recipient);
    }

    fn run(&self, sql: &str, wide: &BTreeSet<Uuid>) {
        if self.documents.is_empty() {
            return;
        }
        let wide: Vec<bool> = self.documents.iter().map(|id| wide.contains(id)).collect();
        spi::execute(
            sql,
            &[
                arg(sql_uuids(&self.documents)),
                arg(wide),
                arg(sql_uuids(&self.recipients)),
            ],
        );
    }
}

fn wide(permissions: &HashMap<Uuid, i64>) -> BTreeSet<Uuid> {
    let is_wide = |(id, count): (&Uuid, &i64)| (*count > WIDE).then_some(*id);
    permissions.iter().filter_map(is_wide).collect()
}

/// How many permissions the documents have, no further than it takes to tell whether one is wide.
fn counts(documents: &BTreeSet<Uuid>, known: &[Uuid]) -> HashMap<Uuid, i64> {
    let documents: Vec<pgrx::Uuid> = documents
        .iter()
        .filter(|id| known.binary_search(id).is_ok())
        .copied()
        .map(sql_uuid)
        .collect();
    if documents.is_empty() {
        return HashMap::new();
    }
    let rows = spi::write(
        "SELECT n.id, (SELECT count(*) FROM ( \
           SELECT FROM deed.permission AS p WHERE p.document_id = n.id LIMIT $2 + 1) AS c) \
         FROM unnest($1) AS n (id)",
        &[arg(documents), arg(WIDE)],
        |row| Some((core_uuid(row.get(1)?), row.get(2)?)),
    );
    rows.into_iter().flatten().collect()
}
