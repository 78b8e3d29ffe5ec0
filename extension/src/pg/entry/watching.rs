//! Watches, and the relay's call.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::{Uuid, pg_extern, pg_sys};

use super::symbol;
use crate::pg::enums::oid_of;
use crate::pg::ids::core_uuid;
use crate::pg::raise::{boundary, or_leave};
use crate::{settle, watch};

symbol!(deed_watch_0_5, pg_finfo_deed_watch_0_5, begin_watch_wrapper);
symbol!(
    deed_settle_0_5,
    pg_finfo_deed_settle_0_5,
    settle_marks_wrapper
);

#[pg_extern(sql = false)]
fn begin_watch(
    principal: Uuid,
    document: Uuid,
    until: TimestampWithTimeZone,
    watcher: &str,
) -> Option<pg_sys::Oid> {
    let begun = watch::begin(
        core_uuid(principal),
        core_uuid(document),
        until.into(),
        watcher,
    );
    or_leave(begun, || None).map(oid_of)
}

#[pg_extern(sql = false)]
fn settle_marks(relay: Uuid) -> Option<bool> {
    or_leave(settle::settle(core_uuid(relay)), || None)
}
