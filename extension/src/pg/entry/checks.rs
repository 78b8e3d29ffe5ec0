//! Checks.

use deed_core::Level;
use pgrx::datum::Array;
use pgrx::iter::TableIterator;
use pgrx::{Uuid, name, pg_extern, pg_sys};

use super::symbol;
use crate::pg::catalog;
use crate::pg::ids::core_uuid;
use crate::pg::raise::{boundary, or_leave};
use crate::{check, check_many};

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

symbol!(
    deed_check_many_0_3,
    pg_finfo_deed_check_many_0_3,
    check_many_wrapper
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

/// One row a document, in the order asked; none when anything asked is null.
#[pg_extern(sql = false)]
fn check_many(
    principal: Option<Uuid>,
    documents: Option<Array<'_, Uuid>>,
    level: Option<pg_sys::Oid>,
) -> TableIterator<
    'static,
    (
        name!(document_id, Option<Uuid>),
        name!(allowed, Option<bool>),
    ),
> {
    let answer = || {
        let (Some(principal), Some(documents), Some(level)) = (principal, documents, level) else {
            return Ok(Vec::new());
        };
        let documents: Vec<Option<Uuid>> = documents.iter().collect();
        let Some(level) = catalog::current()?.level(level) else {
            return Ok(Vec::new());
        };
        let known: Vec<_> = documents.iter().flatten().copied().map(core_uuid).collect();
        let mut allowed = check_many::each(core_uuid(principal), &known, level)?.into_iter();
        let row = |document: Option<Uuid>| (document, document.and_then(|_| allowed.next()));
        Ok(documents.into_iter().map(row).collect())
    };
    TableIterator::new(or_leave(answer(), Vec::new))
}

#[pg_extern(sql = false)]
fn effective_level(principal: Uuid, document: Uuid) -> Option<pg_sys::Oid> {
    let answer = || match check::level(core_uuid(principal), core_uuid(document), Level::Owner)? {
        Some(level) => Ok(Some(catalog::current()?.level_oid(level))),
        None => Ok(None),
    };
    or_leave(answer(), || None)
}
