//! Permissions whose time is over: they leave the lists, and it is told.

use deed_core::outbound::{Cause, Change, Outbound};
use deed_core::version::{Instant, Version};
use deed_core::{EVERYONE, Level, USERS};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use uuid::Uuid;

use super::PAGE;
use crate::apply::listing;
use crate::marks::{Kind, Marks};
use crate::outbox;
use crate::pg::enums::value_of;
use crate::pg::ids::{core_uuid, sql_uuids};
use crate::pg::spi::{self, arg};
use crate::traces::Traces;

struct Ended {
    document: Uuid,
    recipient: Uuid,
    level: Level,
    expires_at: Instant,
    version: Version,
    is_watched: bool,
}

/// Ends a page of those whose document nobody else has locked, the earliest first; whether there is more to do. What a grant or
/// revoke has overtaken meanwhile is none of them: it is read behind the lock.
pub fn end() -> bool {
    let due = spi::write(
        "SELECT p.document_id, p.recipient_id FROM deed.permission AS p \
         JOIN deed.document AS d ON d.id = p.document_id \
         WHERE NOT p.expired AND p.expires_at <= pg_catalog.statement_timestamp() \
         ORDER BY p.expires_at LIMIT $1 FOR UPDATE OF d SKIP LOCKED",
        &[arg(PAGE as i64)],
        |row| Some((core_uuid(row.get(1)?), core_uuid(row.get(2)?))),
    );
    let (documents, recipients): (Vec<Uuid>, Vec<Uuid>) = due.into_iter().flatten().unzip();
    if documents.is_empty() {
        return false;
    }
    let ended: Vec<Ended> = spi::write(
        "UPDATE deed.permission AS p SET expired = true \
         FROM (SELECT * FROM ROWS FROM (unnest($1), unnest($2)) AS n (document_id, recipient_id) \
           OFFSET 0) AS n \
         WHERE p.document_id = n.document_id AND p.recipient_id = n.recipient_id \
           AND NOT p.expired AND p.expires_at <= pg_catalog.statement_timestamp() \
         RETURNING p.document_id, p.recipient_id, p.level, p.expires_at, p.version, \
           (SELECT true FROM deed.watched AS w WHERE w.document_id = p.document_id LIMIT 1)",
        &[arg(sql_uuids(&documents)), arg(sql_uuids(&recipients))],
        |row| {
            let at: TimestampWithTimeZone = row.get(4)?;
            Some(Ended {
                document: core_uuid(row.get(1)?),
                recipient: core_uuid(row.get(2)?),
                level: row.get::<pg_sys::Oid>(3).and_then(value_of)?,
                expires_at: Instant::from_postgres_micros(at.into()),
                version: Version::from_bytes(&row.get::<Vec<u8>>(5)?)?,
                is_watched: row.get(6) == Some(true),
            })
        },
    )
    .into_iter()
    .flatten()
    .collect();
    let row = |of: &Ended| (of.document, of.recipient, of.level);
    listing::remove(&ended.iter().map(row).collect::<Vec<_>>());
    tell(&ended);
    documents.len() == PAGE
}

fn tell(ended: &[Ended]) {
    let recipients: Vec<Uuid> = ended.iter().map(|of| of.recipient).collect();
    let kinds = outbox::recipient_kinds(&recipients);
    let event = |of: &Ended| {
        let change = Change::Permission {
            recipient: of.recipient,
            recipient_kind: kinds.get(&of.recipient).copied(),
            old: Some(of.level),
            new: None,
            expires_at: Some(of.expires_at),
        };
        Outbound::new(of.document, &change, Cause::Expiry(&of.version))
    };
    // An expiry has none.
    let traces = Traces::default();
    outbox::put(&ended.iter().map(event).collect::<Vec<_>>(), &traces);
    let mut marks = Marks::default();
    for of in ended {
        if of.is_watched {
            marks.add(Kind::Document, of.document, None);
        }
        if of.level == Level::Owner && ![EVERYONE, USERS].contains(&of.recipient) {
            marks.add(Kind::Owned, of.document, None);
        }
    }
    marks.write(&traces);
}
