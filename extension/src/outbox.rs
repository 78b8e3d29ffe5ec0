//! The events on their way out.

use std::collections::HashMap;

use deed_core::outbound::Outbound;
use deed_core::{EVERYONE, RecipientKind, USERS};
use pgrx::pg_sys;
use uuid::Uuid;

use crate::pg::enums::value_of;
use crate::pg::ids::{core_uuid, sql_uuid, sql_uuids};
use crate::pg::spi::{self, arg};
use crate::traces::Traces;

/// Puts them into the outbox, in order. Their places are drawn here: the caller holds the locks that order
/// what is told of each subject.
pub fn put(events: &[Outbound], traces: &Traces) {
    if events.is_empty() {
        return;
    }
    let text = |of: fn(&Outbound) -> &str| -> Vec<String> {
        events.iter().map(|event| of(event).to_owned()).collect()
    };
    let ids: Vec<pgrx::Uuid> = events.iter().map(|event| sql_uuid(event.id)).collect();
    let subjects: Vec<pgrx::Uuid> = events.iter().map(|event| sql_uuid(event.subject)).collect();
    let trace = |event: &Outbound| traces.trace(event.cause.as_ref());
    spi::execute(
        "INSERT INTO deed.outbox (id, aggregatetype, aggregateid, type, payload, traceparent) \
         SELECT n.id, n.aggregatetype, n.aggregateid, n.type, n.payload::jsonb, n.traceparent \
         FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6)) \
           AS n (id, aggregatetype, aggregateid, type, payload, traceparent)",
        &[
            arg(ids),
            arg(text(|event| event.aggregate)),
            arg(subjects),
            arg(text(|event| event.kind)),
            arg(text(|event| &event.data)),
            arg(events.iter().map(trace).collect::<Vec<_>>()),
        ],
    );
}

/// What events say of recipients: what these are, where that is known. Nobody locks them, so it is what was
/// known a moment ago.
pub fn recipient_kinds(ids: &[Uuid]) -> HashMap<Uuid, RecipientKind> {
    if ids.is_empty() {
        return HashMap::new();
    }
    let found = spi::write(
        "SELECT p.id, p.kind FROM deed.principal AS p WHERE p.id = ANY ($1)",
        &[arg(sql_uuids(ids))],
        |row| {
            Some((
                core_uuid(row.get(1)?),
                value_of(row.get::<pg_sys::Oid>(2)?)?,
            ))
        },
    );
    let built_in = [EVERYONE, USERS].map(|id| (id, RecipientKind::Group));
    found.into_iter().flatten().chain(built_in).collect()
}

/// A number that no other transaction has.
pub fn transaction() -> i64 {
    let number = spi::write(
        "SELECT pg_catalog.pg_current_xact_id()::text::bigint",
        &[],
        |row| row.get(1),
    );
    number.first().copied().flatten().unwrap_or_default()
}
