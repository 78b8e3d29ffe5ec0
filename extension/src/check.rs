//! The answer to "may this principal do this with this document?".

use deed_core::Level;
use pgrx::pg_sys;
use uuid::Uuid;

use crate::closure;
use crate::failure::Failure;
use crate::pg::catalog::{self, Index};
use crate::pg::{index_scan, session};

/// The level that a principal holds on a document, by the calling statement's snapshot: the
/// greatest that a member of its closure holds, or the first one that is `enough`.
///
/// Nobody has a level on a document that is deleted or not created yet.
pub fn level(principal: Uuid, document: Uuid, enough: Level) -> Result<Option<Level>, Failure> {
    let mut greatest = None;
    for recipient in closure::of(principal)? {
        greatest = greatest.max(granted_level(recipient, document)?);
        if greatest >= Some(enough) {
            break;
        }
    }
    match greatest.is_some() && is_live(document)? {
        true => Ok(greatest),
        false => Ok(None),
    }
}

/// The level of the recipient's own grant, if that is neither revoked nor expired.
fn granted_level(recipient: Uuid, document: Uuid) -> Result<Option<Level>, Failure> {
    let permissions = catalog::lock(Index::PermissionByRecipient)?;
    let grant = index_scan::first(permissions, &[recipient, document], |entry| {
        let level = entry
            .column(2)
            .map(|datum| pg_sys::Oid::from(datum.value() as u32));
        let expires_at = entry.column(3).map(|datum| datum.value() as i64);
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
    let not_live = catalog::lock(Index::DocumentNotLive)?;
    Ok(index_scan::first(not_live, &[document], |_| ()).is_none())
}
