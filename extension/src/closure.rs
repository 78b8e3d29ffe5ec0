//! Whose permissions a principal holds.
//!
//! The least set that holds the principal, each link promoted to a member of it and each group that
//! a member of it is in; nothing passes through a removed principal. `deed.closure` keeps that
//! flat for those that have members themselves (as Zanzibar's Leopard index does), so that the way
//! of a user is one step to its groups and one more to all that these reach.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use deed_core::{EVERYONE, USERS};
use pgrx::pg_sys;
use uuid::Uuid;

use crate::failure::Failure;
use crate::pg::catalog::{self, Index};
use crate::pg::index_scan;

/// The principal's closure by the active snapshot, ascending; empty for one that is removed.
pub fn of(principal: Uuid) -> Result<Vec<Uuid>, Failure> {
    if principal == EVERYONE {
        return Ok(vec![EVERYONE]);
    }
    if principal == USERS {
        return Ok(vec![EVERYONE, USERS]);
    }
    if is_removed(principal)? {
        return Ok(Vec::new());
    }
    let mut members = BTreeSet::from([EVERYONE, principal]);
    if is_user(principal)? {
        members.insert(USERS);
    }
    let mut direct = second(Index::MembershipByMember, principal)?;
    direct.extend(second(Index::PrincipalByPromotion, principal)?);
    for held in direct {
        if !members.contains(&held) && !is_removed(held)? {
            members.insert(held);
            members.extend(second(Index::Closure, held)?);
        }
    }
    Ok(members.into_iter().collect())
}

fn is_removed(principal: Uuid) -> Result<bool, Failure> {
    let removed = catalog::lock(Index::PrincipalRemoved)?;
    Ok(index_scan::first(removed, &[principal], |_| ()).is_some())
}

fn is_user(principal: Uuid) -> Result<bool, Failure> {
    let principals = catalog::lock(Index::PrincipalKind)?;
    let kind = index_scan::first(principals, &[principal], |entry| entry.column(1)).flatten();
    let user = catalog::current()?.user;
    Ok(kind.is_some_and(|kind| pg_sys::Oid::from(kind.value() as u32) == user))
}

/// The second column of all entries whose first is `key`.
fn second(index: Index, key: Uuid) -> Result<Vec<Uuid>, Failure> {
    let target = catalog::lock(index)?;
    let mut found = Vec::new();
    index_scan::each(target, &[key], |entry| {
        found.push(entry.uuid(1));
        ControlFlow::Continue(())
    });
    Ok(found)
}
