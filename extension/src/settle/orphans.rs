//! Documents without an owner: which became that or ceased to be, and telling it.

use deed_core::outbound::{Cause, Change, Outbound};
use uuid::Uuid;

use super::marked::Marked;
use super::{PAGE, lock};
use crate::marks::{Causes, Kind, Marks};
use crate::outbox;
use crate::pg::ids::{core_uuid, sql_uuids};
use crate::pg::spi::{self, arg};
use crate::traces::Traces;

/// Documents that are orphaned or owned otherwise than it was told last.
type Differing = Causes<Uuid>;

/// Looks at a page of marks of each kind and tells of what differs; what could not be told yet is marked `again`. Whether there
/// may be more.
pub fn look(again: &mut Marks, traces: &mut Traces) -> bool {
    let mut differing = Differing::default();
    let more = find(&mut differing, traces);
    let locked = lock(differing.0.keys().copied());
    differing.0.retain(|document, cause| {
        let free = locked.contains(document);
        if !free {
            again.add(Kind::Owned, *document, cause.as_ref());
        }
        free
    });
    tell(&differing, traces);
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
    WHERE o.document_id = c.document_id LIMIT 1), false)";
const TOLD: &str = "coalesce((SELECT true FROM deed.orphan AS o \
    WHERE o.document_id = c.document_id LIMIT 1), false)";

/// Without a lock.
fn find(differing: &mut Differing, traces: &mut Traces) -> bool {
    let columns = format!("c.document_id, {NOW} <> {TOLD}");
    let mut more = false;
    for (kind, documents) in KINDS {
        let marked = Marked::read(kind, traces);
        if marked.is_empty() {
            continue;
        }
        let rows = marked.rows(&columns, documents, PAGE, |row| {
            Some((core_uuid(row.get(2)?), row.get(3)?))
        });
        for (place, (document, differs)) in &rows {
            if *differs {
                differing.add(*document, marked.cause(*place));
            }
        }
        let last = rows
            .last()
            .map(|(place, (document, _))| (*place, *document));
        let is_cut = kind == Kind::Owner && rows.len() == PAGE;
        more |= marked.done(last.filter(|_| is_cut));
    }
    more
}

/// Looks again, on a new snapshot behind the documents' locks; tells of orphans, and remembers which were told.
fn tell(differing: &Differing, traces: &Traces) {
    let documents: Vec<Uuid> = differing.0.keys().copied().collect();
    if documents.is_empty() {
        return;
    }
    let changed: Vec<(Uuid, bool)> = spi::write(
        &format!(
            "SELECT c.document_id, {NOW} FROM unnest($1) AS c (document_id) WHERE {NOW} <> {TOLD}"
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
        let cause = differing.cause(document);
        let cause = Cause::Evaluation(cause, number);
        Outbound::new(*document, &Change::DocumentOrphaned, cause)
    };
    outbox::put(&orphaned.iter().map(event).collect::<Vec<_>>(), traces);
    spi::execute(
        "INSERT INTO deed.orphan (document_id) SELECT * FROM unnest($1)",
        &[arg(sql_uuids(&orphaned))],
    );
    spi::execute(
        "DELETE FROM deed.orphan AS o WHERE o.document_id = ANY ($1)",
        &[arg(sql_uuids(&owned))],
    );
}
