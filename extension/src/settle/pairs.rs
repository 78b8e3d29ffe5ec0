//! The levels that are watched: which differ from what was told last, and telling them.

use deed_core::Level;
use deed_core::outbound::{Cause, Change, Outbound};
use pgrx::pg_sys;
use uuid::Uuid;

use super::marked::Marked;
use super::{PAGE, lock};
use crate::marks::{Causes, Kind, Marks};
use crate::outbox;
use crate::pg::enums::value_of;
use crate::pg::ids::{core_uuid, sql_uuids};
use crate::pg::spi::{self, Row, arg};
use crate::traces::Traces;

/// Pairs whose level is not the one told last, by document and principal.
type Differing = Causes<(Uuid, Uuid)>;

/// Looks at a page of marks of each kind and tells of what differs; what could not be told yet is marked `again`. Whether there
/// may be more.
pub fn look(again: &mut Marks, traces: &mut Traces) -> bool {
    let mut differing = Differing::default();
    let more = find(&mut differing, traces);
    let locked = lock(differing.0.keys().map(|(document, _)| *document));
    differing.0.retain(|(document, principal), cause| {
        let free = locked.contains(document);
        if !free {
            again.add_pair(*document, *principal, cause.as_ref());
        }
        free
    });
    tell(&differing, again, traces);
    more
}

/// Each kind of mark that is about levels, the watched pairs that it concerns, and the column by which it goes on.
const KINDS: [(Kind, &str); 3] = [
    (
        Kind::Principal,
        "SELECT * FROM deed.watched AS w \
         WHERE w.principal_id = s.id AND w.document_id >= s.looked_at ORDER BY w.document_id",
    ),
    (
        Kind::Document,
        "SELECT * FROM deed.watched AS w \
         WHERE w.document_id = s.id AND w.principal_id >= s.looked_at ORDER BY w.principal_id",
    ),
    (
        Kind::Pair,
        "SELECT * FROM deed.watched AS w \
         WHERE w.document_id = s.id AND w.principal_id = s.other",
    ),
];

/// Without a lock.
///
/// Where the level is as it was told, nothing is to be done: whoever changes it later leaves a mark of their own.
fn find(differing: &mut Differing, traces: &mut Traces) -> bool {
    let mut more = false;
    for (kind, pairs) in KINDS {
        let marked = Marked::read(kind, traces);
        if marked.is_empty() {
            continue;
        }
        let rows = marked.rows(LEVEL, pairs, PAGE, |row| {
            Some((core_uuid(row.get(2)?), core_uuid(row.get(3)?), row.get(4)?))
        });
        for (place, (document, principal, differs)) in &rows {
            if *differs {
                differing.add((*document, *principal), marked.cause(*place));
            }
        }
        let at = |document, principal| match kind {
            Kind::Document => principal,
            _ => document,
        };
        let last = rows.last().map(|(place, (d, p, _))| (*place, at(*d, *p)));
        more |= marked.done(last.filter(|_| rows.len() == PAGE));
    }
    more
}

/// The pair, and whether its level is another one than was told last.
const LEVEL: &str = "c.document_id, c.principal_id, \
    c.level IS DISTINCT FROM deed.effective_level(c.principal_id, c.document_id)";

/// Looks again, on a new snapshot behind the documents' locks, and tells of what differs still. A pair whose leases all seem
/// to have ended stays as it was told, and is looked at again until they are taken away, or one of them turns out to have been
/// prolonged by a transaction that could not be seen yet.
fn tell(differing: &Differing, again: &mut Marks, traces: &Traces) {
    if differing.0.is_empty() {
        return;
    }
    let (documents, principals): (Vec<Uuid>, Vec<Uuid>) = differing.0.keys().copied().unzip();
    let pairs = || [arg(sql_uuids(&documents)), arg(sql_uuids(&principals))];
    let number = outbox::transaction();
    let mut events = Vec::new();
    let level = |row: &Row, at| row.get::<pg_sys::Oid>(at).and_then(value_of::<Level>);
    let changed: Vec<(Uuid, Uuid, Option<Level>)> = spi::write(
        "SELECT w.document_id, w.principal_id, w.level, now.level, ( \
             SELECT true FROM deed.lease AS l WHERE l.document_id = w.document_id \
               AND l.principal_id = w.principal_id \
               AND l.until > pg_catalog.statement_timestamp() LIMIT 1) \
         FROM ROWS FROM (unnest($1), unnest($2)) AS n (document_id, principal_id) \
           CROSS JOIN LATERAL (SELECT * FROM deed.watched AS w \
             WHERE w.document_id = n.document_id AND w.principal_id = n.principal_id OFFSET 0) AS w \
           CROSS JOIN LATERAL (SELECT deed.effective_level(w.principal_id, w.document_id) OFFSET 0) \
             AS now (level) \
         WHERE w.level IS DISTINCT FROM now.level",
        &pairs(),
        |row| {
            let (document, principal) = (core_uuid(row.get(1)?), core_uuid(row.get(2)?));
            let (old, new) = (level(row, 3), level(row, 4));
            let cause = differing.cause(&(document, principal));
            if row.get(5) != Some(true) {
                again.add_pair(document, principal, cause);
                return None;
            }
            let change = Change::Access {
                principal,
                old,
                new,
            };
            let cause = Cause::Evaluation(cause, number);
            events.push(Outbound::new(document, &change, cause));
            Some((document, principal, new))
        },
    )
    .into_iter()
    .flatten()
    .collect();
    outbox::put(&events, traces);
    let documents: Vec<Uuid> = changed.iter().map(|(document, ..)| *document).collect();
    let principals: Vec<Uuid> = changed.iter().map(|(_, principal, _)| *principal).collect();
    let levels: Vec<Option<&'static str>> = changed
        .iter()
        .map(|(.., level)| level.map(Level::word))
        .collect();
    spi::execute(
        "UPDATE deed.watched AS w SET level = n.level::deed.permission_level \
         FROM ROWS FROM (unnest($1), unnest($2), unnest($3)) AS n (document_id, principal_id, level) \
         WHERE w.document_id = n.document_id AND w.principal_id = n.principal_id",
        &[
            arg(sql_uuids(&documents)),
            arg(sql_uuids(&principals)),
            arg(levels),
        ],
    );
}
