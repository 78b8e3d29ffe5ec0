//! Whose permissions a principal holds.
//!
//! The least set that holds the principal, each link promoted to a member of it and each group that
//! a member of it is in; nothing passes through a removed principal. `deed.closure` keeps that
//! flat for those that have members themselves (as Zanzibar's Leopard index does), so that the way
//! of a user is one step to its groups and one more to all that these reach.

use std::collections::BTreeSet;

use deed_core::{EVERYONE, USERS};
use uuid::Uuid;

use crate::failure::Failure;
use crate::pg::btree::Indexes;
use crate::pg::btree::key::Key;
use crate::pg::catalog::{self, Index};

/// The principal's closure by the active snapshot, ascending; empty for one that is removed.
pub fn of(indexes: &Indexes, principal: Uuid) -> Result<Vec<Uuid>, Failure> {
    if principal == EVERYONE {
        return Ok(vec![EVERYONE]);
    }
    if principal == USERS {
        return Ok(vec![EVERYONE, USERS]);
    }
    let is_removed =
        |id| -> Result<bool, Failure> { Ok(indexes.row(Index::PrincipalRemoved, id)?.is_some()) };
    if is_removed(principal)? {
        return Ok(Vec::new());
    }
    let mut members = BTreeSet::from([EVERYONE, principal]);
    let row = indexes.row(Index::PrincipalKind, principal)?;
    let user = catalog::current()?.user;
    if row.is_some_and(|row| row.carried.label == user) {
        members.insert(USERS);
    }
    let mut held = followers(indexes, Index::MembershipByMember, principal)?;
    held.extend(followers(indexes, Index::PrincipalByPromotion, principal)?);
    for id in held {
        if !members.contains(&id) && !is_removed(id)? {
            members.insert(id);
            members.extend(followers(indexes, Index::Closure, id)?);
        }
    }
    Ok(members.into_iter().collect())
}

/// The ids that follow this one in the rows that the snapshot sees.
pub fn followers(indexes: &Indexes, index: Index, id: Uuid) -> Result<Vec<Uuid>, Failure> {
    let mut range = indexes.range(index, Key::EMPTY.id(id))?;
    range.load_all()?;
    Ok(range.loaded_and_seen().collect())
}
