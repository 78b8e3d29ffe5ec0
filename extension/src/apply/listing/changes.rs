//! Rows of `listing` that go, come or move.

use deed_core::Level;
use pgrx::datum::{DatumWithOid, TimestampWithTimeZone};
use uuid::Uuid;

use crate::pg::ids::sql_uuids;
use crate::pg::spi::{self, arg};

/// One row, beside recipient and document.
#[derive(Clone, Copy, PartialEq)]
pub struct Listed {
    /// What is granted.
    pub level: Level,
    /// The sort key, in microseconds since 2000.
    pub last_modified: i64,
    /// Until when; none is for ever.
    pub expires_at: Option<i64>,
}

/// The rows that go, come and change.
#[derive(Default)]
pub struct Changes {
    out: Columns,
    into: Columns,
    /// What they were and what they become, side by side.
    from: Columns,
    to: Columns,
}

#[derive(Default)]
struct Columns {
    recipients: Vec<Uuid>,
    documents: Vec<Uuid>,
    levels: Vec<&'static str>,
    last_modified: Vec<TimestampWithTimeZone>,
    expires_at: Vec<Option<TimestampWithTimeZone>>,
}

impl Changes {
    /// What becomes of one row.
    pub fn note(
        &mut self,
        recipient: Uuid,
        document: Uuid,
        old: Option<Listed>,
        new: Option<Listed>,
    ) {
        match (old, new) {
            (Some(old), None) => self.out.push(recipient, document, old),
            (None, Some(new)) => self.into.push(recipient, document, new),
            (Some(old), Some(new)) if old != new => {
                self.from.push(recipient, document, old);
                self.to.push(recipient, document, new);
            }
            _ => {}
        }
    }

    /// Writes them, each by its whole key.
    pub fn write(self) {
        if !self.out.recipients.is_empty() {
            let [recipients, documents, levels, last_modified, _] = self.out.arguments();
            spi::execute(
                "DELETE FROM deed.listing AS l \
                 USING (SELECT n.recipient_id, n.document_id, \
                     n.level::deed.permission_level AS level, n.last_modified \
                   FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4)) \
                     AS n (recipient_id, document_id, level, last_modified) OFFSET 0) AS o \
                 WHERE l.recipient_id = o.recipient_id AND l.level = o.level \
                   AND l.last_modified = o.last_modified AND l.document_id = o.document_id",
                &[recipients, documents, levels, last_modified],
            );
        }
        if !self.from.recipients.is_empty() {
            let [recipients, documents, levels, last_modified, _] = self.from.arguments();
            let [_, _, new_levels, new_last_modified, expires_at] = self.to.arguments();
            spi::execute(
                "UPDATE deed.listing AS l SET level = o.new_level, \
                   last_modified = o.new_last_modified, expires_at = o.expires_at \
                 FROM (SELECT n.recipient_id, n.document_id, \
                     n.level::deed.permission_level AS level, n.last_modified, \
                     n.new_level::deed.permission_level AS new_level, n.new_last_modified, \
                     n.expires_at \
                   FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), \
                       unnest($6), unnest($7)) \
                     AS n (recipient_id, document_id, level, last_modified, new_level, \
                       new_last_modified, expires_at) OFFSET 0) AS o \
                 WHERE l.recipient_id = o.recipient_id AND l.level = o.level \
                   AND l.last_modified = o.last_modified AND l.document_id = o.document_id",
                &[
                    recipients,
                    documents,
                    levels,
                    last_modified,
                    new_levels,
                    new_last_modified,
                    expires_at,
                ],
            );
        }
        if !self.into.recipients.is_empty() {
            spi::execute(
                "INSERT INTO deed.listing \
                   (recipient_id, document_id, level, last_modified, expires_at) \
                 SELECT n.recipient_id, n.document_id, n.level::deed.permission_level, \
                   n.last_modified, n.expires_at \
                 FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5)) \
                   AS n (recipient_id, document_id, level, last_modified, expires_at) \
                 ON CONFLICT (recipient_id, level, last_modified, document_id) \
                 DO UPDATE SET expires_at = excluded.expires_at",
                &self.into.arguments(),
            );
        }
    }
}

impl Columns {
    fn push(&mut self, recipient: Uuid, document: Uuid, row: Listed) {
        self.recipients.push(recipient);
        self.documents.push(document);
        self.levels.push(row.level.word());
        self.last_modified.push(sql_time(row.last_modified));
        self.expires_at.push(row.expires_at.map(sql_time));
    }

    fn arguments<'a>(self) -> [DatumWithOid<'a>; 5] {
        [
            arg(sql_uuids(&self.recipients)),
            arg(sql_uuids(&self.documents)),
            arg(self.levels),
            arg(self.last_modified),
            arg(self.expires_at),
        ]
    }
}

/// All that comes here was a `timestamptz`, or an RFC 3339 time, which always fits.
fn sql_time(micros: i64) -> TimestampWithTimeZone {
    TimestampWithTimeZone::try_from(micros).expect("within timestamptz")
}
