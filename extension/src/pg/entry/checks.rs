//! Checks.

use deed_core::Level;
use pgrx::{Uuid, pg_extern, pg_sys};

use super::symbol;
use crate::check;
use crate::pg::catalog;
use crate::pg::ids::core_uuid;
use crate::pg::raise::{boundary, or_leave};

symbol!(
    deed_has_permission,
    pg_finfo_deed_has_permission,
    has_permission_wrapper
);
symbol!(
    deed_has_permission_0_2,
    pg_finfo_deed_has_permission_0_2,
    has_permission_wrapper
);
symbol!(
    deed_effective_level,
    pg_finfo_deed_effective_level,
    effective_level_wrapper
);
symbol!(
    deed_effective_level_0_2,
    pg_finfo_deed_effective_level_0_2,
    effective_level_wrapper
);

#[pg_extern(sql = false)]
fn has_permission(principal: Uuid, document: Uuid, level: pg_sys::Oid) -> bool {
    let answer = || match catalog::current()?.level(level) {
        Some(wanted) => {
            Ok(check::level(core_uuid(principal), core_uuid(document), wanted)? >= Some(wanted))
        }
        None => Ok(false),
    };
    or_leave(answer(), || false)
}

#[pg_extern(sql = false)]
fn effective_level(principal: Uuid, document: Uuid) -> Option<pg_sys::Oid> {
    let answer = || match check::level(core_uuid(principal), core_uuid(document), Level::Owner)? {
        Some(level) => Ok(Some(catalog::current()?.level_oid(level))),
        None => Ok(None),
    };
    or_leave(answer(), || None)
}
