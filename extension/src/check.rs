//! The answer to "may this principal do this with this document?".

use deed_core::Level;
use pgrx::pg_sys;
use uuid::Uuid;

use crate::failure::Failure;
use crate::pg::catalog::{self, Catalog};
use crate::pg::{index_scan, session};

/// The level that a principal holds on a document, by the calling statement's snapshot.
///
/// Nobody has a level on a document that is deleted or not created yet.
pub fn effective_level(principal: Uuid, document: Uuid) -> Result<Option<Level>, Failure> {
    let Some(level) = granted_level(principal, document)? else {
        return Ok(None);
    };
    Ok(is_live(document)?.then_some(level))
}

/// The level of the recipient's own grant, if that is neither revoked nor expired.
fn granted_level(recipient: Uuid, document: Uuid) -> Result<Option<Level>, Failure> {
    let permissions = catalog::lock(|catalog: &Catalog| catalog.permission_by_recipient)?;
    let grant = index_scan::first(permissions, &[recipient, document], |column| {
        let level = column(2).map(|datum| pg_sys::Oid::from(datum.value() as u32));
        let expires_at = column(3).map(|datum| datum.value() as i64);
        (level, expires_at)
    });
    let Some((Some(level), expires_at)) = grant else {
        return Ok(None);
    };
    if expires_at.is_some_and(|at| at <= session::statement_start()) {
        return Ok(None);
    }
    Ok(catalog::current()?.level(level))
}

fn is_live(document: Uuid) -> Result<bool, Failure> {
    let not_live = catalog::lock(|catalog: &Catalog| catalog.document_not_live)?;
    Ok(index_scan::first(not_live, &[document], |_| ()).is_none())
}
