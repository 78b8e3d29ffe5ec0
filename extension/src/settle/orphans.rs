//! Documents without an owner: which became that or ceased to be, and telling it.

use std::collections::BTreeMap;

use deed_core::outbound::{Cause, Change, Outbound};
use deed_core::version::Version;
use uuid::Uuid;

use super::marked::Marked;
use super::{PAGE, lock};
use crate::marks::{Kind, Marks};
use crate::outbox;
use crate::pg::ids::{core_uuid, sql_uuids};
use crate::pg::spi::{self, arg};

/// Documents that are orphaned or owned otherwise than it was told last, each with the event that is why.
#[derive(Default)]
struct Differing(BTreeMap<Uuid, Option<Version>>);

/// Looks at a page of marks of each kind and tells of what differs; what could not be told yet is marked `again`. Whether there
/// may be more.
pub fn look(again: &mut Marks) -> bool {
    let mut differing = Differing::default();
    let more = find(&mut differing);
    let locked = lock(differing.0.keys().copied());
    differing.0.retain(|document, cause| {
        let free = locked.contains(document);
        if !free {
            again.add(Kind::Owned, *document, cause.as_ref());
        }
        free
    });
    differing.tell();
    more
}

/// The marked document, or those that the marked principal owns by grants of its own.
const KINDS: [(Kind, &str); 2] = [
    (Kind::Owned, "SELECT s.id AS document_id"),
    (
        Kind::Owner,
        "SELECT p.document_id FROM deed.permission AS p \
         WHERE p.recipient_id = s.id AND p.level = 'owner' AND p.document_id >= s.looked_at \
         ORDER BY p.document_id",
    ),
];

/// What it is, and what was told of it. No EXISTS, which could be answered by hashing all documents.
const NOW: &str = "coalesce((SELECT true FROM deed.orphaned_documents AS o \
    WHERE o.document_id = d.document_id LIMIT 1), false)";
const TOLD: &str = "coalesce((SELECT true FROM deed.orphan AS o \
    WHERE o.document_id = d.document_id LIMIT 1), false)";

/// Without a lock.
fn find(differing: &mut Differing) -> bool {
    let mut more = false;
    for (kind, documents) in KINDS {
        let marked = Marked::read(kind);
        if marked.is_empty() {
            continue;
        }
        // A LIMIT within LATERAL is answered subject by subject, so what comes first is complete.
        let sql = format!(
            "SELECT s.place, d.document_id, {NOW} <> {TOLD} \
             FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4)) \
                 AS s (place, id, other, looked_at) \
               CROSS JOIN LATERAL ({documents} LIMIT $5) AS d \
             LIMIT $5"
        );
        let [places, ids, others, looked_at] = marked.arguments();
        let arguments = [places, ids, others, looked_at, arg(PAGE as i64)];
        let rows: Vec<(i32, Uuid, bool)> = spi::write(&sql, &arguments, |row| {
            Some((row.get(1)?, core_uuid(row.get(2)?), row.get(3)?))
        })
        .into_iter()
        .flatten()
        .collect();
        for (place, document, _) in rows.iter().filter(|(.., differs)| *differs) {
            let held = differing.0.entry(*document).or_default();
            if held.as_ref() < marked.cause(*place) {
                *held = marked.cause(*place).cloned();
            }
        }
        let last = rows.last().map(|(place, document, _)| (*place, *document));
        let is_cut = kind == Kind::Owner && rows.len() == PAGE;
        more |= marked.done(last.filter(|_| is_cut));
    }
    more
}

impl Differing {
    /// Looks again, on a new snapshot behind the documents' locks; tells of orphans, and remembers which were told.
    fn tell(&self) {
        let documents: Vec<Uuid> = self.0.keys().copied().collect();
        if documents.is_empty() {
            return;
        }
        let changed: Vec<(Uuid, bool)> = spi::write(
            &format!(
                "SELECT d.document_id, {NOW} FROM unnest($1) AS d (document_id) WHERE {NOW} <> {TOLD}"
            ),
            &[arg(sql_uuids(&documents))],
            |row| Some((core_uuid(row.get(1)?), row.get(2)?)),
        )
        .into_iter()
        .flatten()
        .collect();
        let of = |orphaned: bool| -> Vec<Uuid> {
            let alike = changed.iter().filter(|(_, now)| *now == orphaned);
            alike.map(|(document, _)| *document).collect()
        };
        let (orphaned, owned) = (of(true), of(false));
        let number = outbox::transaction();
        let event = |document: &Uuid| {
            let cause = self.0.get(document).and_then(Option::as_ref);
            let cause = Cause::Evaluation(cause, number);
            Outbound::new(*document, &Change::DocumentOrphaned, cause)
        };
        outbox::put(&orphaned.iter().map(event).collect::<Vec<_>>());
        spi::execute(
            "INSERT INTO deed.orphan (document_id) SELECT * FROM unnest($1)",
            &[arg(sql_uuids(&orphaned))],
        );
        spi::execute(
            "DELETE FROM deed.orphan AS o WHERE o.document_id = ANY ($1)",
            &[arg(sql_uuids(&owned))],
        );
    }
}
