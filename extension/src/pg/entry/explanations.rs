//! Why a check answers what it answers.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::{Uuid, name, pg_extern, pg_sys};

use super::symbol;
use crate::explain;
use crate::pg::enums::oid_of;
use crate::pg::ids::{core_uuid, sql_uuid, sql_uuids};
use crate::pg::raise::boundary;

symbol!(
    deed_explain_permission_0_3,
    pg_finfo_deed_explain_permission_0_3,
    explain_permission_wrapper
);

#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn explain_permission(
    principal: Uuid,
    document: Uuid,
) -> TableIterator<
    'static,
    (
        name!(level, Option<pg_sys::Oid>),
        name!(counts, bool),
        name!(reason, &'static str),
        name!(recipient_id, Uuid),
        name!(recipient_type, Option<pg_sys::Oid>),
        name!(via, Vec<Uuid>),
        name!(promoted_from, Option<Uuid>),
        name!(granted_by, Option<Uuid>),
        name!(granted_at, TimestampWithTimeZone),
        name!(expires_at, Option<TimestampWithTimeZone>),
    ),
> {
    let rows = explain::rows(core_uuid(principal), core_uuid(document));
    TableIterator::new(rows.into_iter().map(|row| {
        (
            row.level.map(oid_of),
            row.counts,
            row.reason,
            sql_uuid(row.recipient),
            row.kind,
            sql_uuids(&row.via),
            row.promoted_from.map(sql_uuid),
            row.granted_by,
            row.granted_at,
            row.expires_at,
        )
    }))
}
