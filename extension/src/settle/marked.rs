//! A page of marks of one kind, and what has been looked at of it.

use std::collections::HashMap;

use deed_core::version::Version;
use uuid::Uuid;

use super::PAGE;
use crate::marks::Kind;
use crate::pg::ids::{core_uuid, sql_uuid, sql_uuids};
use crate::pg::spi::{self, Row, arg};
use crate::traces::Traces;

/// The oldest marks of one kind.
pub struct Marked {
    kind: Kind,
    subjects: Vec<Subject>,
    is_full: bool,
}

/// What one look is for: marks of one subject that have not been begun yet are one.
struct Subject {
    marks: Vec<i64>,
    id: Uuid,
    other: Option<Uuid>,
    looked_at: Uuid,
    cause: Option<Version>,
}

/// Where looking ended: at which subject, counted from 1, and at which member, document or principal of it.
pub type End = (i32, Uuid);

impl Marked {
    /// Reads them, with the traces of their causes.
    pub fn read(kind: Kind, traces: &mut Traces) -> Self {
        let mut subjects: Vec<Subject> = Vec::new();
        let mut unbegun: HashMap<(Uuid, Option<Uuid>), usize> = HashMap::new();
        let read = spi::write(
            "SELECT m.seq, m.subject_id, m.other_id, m.looked_at, m.cause, m.traceparent FROM deed.mark AS m \
             WHERE m.kind = $1::deed.mark_kind ORDER BY m.seq LIMIT $2",
            &[arg(kind.word()), arg(PAGE as i64)],
            |row| {
                let cause: Option<Vec<u8>> = row.get(5);
                let subject = Subject {
                    marks: vec![row.get(1)?],
                    id: core_uuid(row.get(2)?),
                    other: row.get(3).map(core_uuid),
                    looked_at: core_uuid(row.get(4)?),
                    cause: cause.as_deref().and_then(Version::from_bytes),
                };
                traces.add(subject.cause.as_ref(), row.get(6));
                let key = (subject.id, subject.other);
                if let Some(held) = unbegun.get(&key).and_then(|at| subjects.get_mut(*at)) {
                    held.marks.extend(subject.marks);
                    held.cause = held.cause.take().max(subject.cause);
                    return Some(());
                }
                if subject.looked_at.is_nil() {
                    unbegun.insert(key, subjects.len());
                }
                subjects.push(subject);
                Some(())
            },
        );
        Self {
            kind,
            subjects,
            is_full: read.len() == PAGE,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    /// Why this one is looked at, counted from 1.
    pub fn cause(&self, place: i32) -> Option<&Version> {
        self.subjects.get(place as usize - 1)?.cause.as_ref()
    }

    /// The `columns` of the rows `c` of a query about each subject `s`, at most so many (`$5`): each with its subject, counted
    /// from 1. A LIMIT within LATERAL is answered subject by subject, so what comes before the last row is complete.
    pub fn rows<T>(
        &self,
        columns: &str,
        query: &str,
        most: usize,
        mut read: impl FnMut(&Row) -> Option<T>,
    ) -> Vec<(i32, T)> {
        let of = |id: fn(&Subject) -> Uuid| self.subjects.iter().map(id).collect::<Vec<_>>();
        let places: Vec<i32> = (1..).take(self.subjects.len()).collect();
        let others = self.subjects.iter().map(|of| of.other.map(sql_uuid));
        let rows = spi::write(
            &format!(
                "SELECT s.place, {columns} \
                 FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4)) \
                     AS s (place, id, other, looked_at) \
                   CROSS JOIN LATERAL ({query} LIMIT $5) AS c \
                 LIMIT $5"
            ),
            &[
                arg(places),
                arg(sql_uuids(&of(|subject| subject.id))),
                arg(others.collect::<Vec<_>>()),
                arg(sql_uuids(&of(|subject| subject.looked_at))),
                arg(most as i64),
            ],
            |row| Some((row.get(1)?, read(row)?)),
        );
        rows.into_iter().flatten().collect()
    }

    /// Takes the marks away: all of them, or, where looking ended early, those before the one that it ended at.
    /// Whether there may be more.
    pub fn done(self, end: Option<End>) -> bool {
        let whole = end.map_or(self.subjects.len(), |(place, _)| place as usize - 1);
        let mut done: Vec<i64> = Vec::new();
        for subject in &self.subjects[..whole] {
            done.extend(&subject.marks);
        }
        if let Some((_, at)) = end {
            let (first, others) = self.subjects[whole].marks.split_at(1);
            done.extend(others);
            spi::execute(
                "UPDATE deed.mark AS m SET looked_at = $3 \
                 WHERE m.kind = $1::deed.mark_kind AND m.seq = ANY ($2)",
                &[
                    arg(self.kind.word()),
                    arg(first.to_vec()),
                    arg(sql_uuid(at)),
                ],
            );
        }
        spi::execute(
            "DELETE FROM deed.mark AS m WHERE m.kind = $1::deed.mark_kind AND m.seq = ANY ($2)",
            &[arg(self.kind.word()), arg(done)],
        );
        end.is_some() || self.is_full
    }
}
