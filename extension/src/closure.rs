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
    if indexes.row(Index::PrincipalRemoved, principal)?.is_some() {
        return Ok(Vec::new());
    }
    let mut members = BTreeSet::from([EVERYONE, principal]);
    let row = indexes.row(Index::PrincipalKind, principal)?;
    let user = catalog::current()?.user;
    if row.is_some_and(|row| row.carried.label == user) {
        members.insert(USERS);
    }
    let mut held = BTreeSet::new();
    for index in [Index::MembershipByMember, Index::PrincipalByPromotion] {
        let of_principal = followers(indexes, index, &[principal])?;
        held.extend(of_principal.into_iter().map(|(_, id)| id));
    }
    let mut held: Vec<Uuid> = held.into_iter().collect();
    let removed = indexes.rows(Index::PrincipalRemoved, &held)?;
    held.retain(|id| removed.binary_search(id).is_err());
    let reached = followers(indexes, Index::Closure, &held)?;
    members.extend(reached.into_iter().map(|(_, id)| id));
    members.extend(held);
    Ok(members.into_iter().collect())
}

/// Whether the principal is in no more than so many groups itself. A quick look: its closure may still be
/// greater.
pub fn is_at_most(indexes: &Indexes, principal: Uuid, groups: usize) -> Result<bool, Failure> {
    let mut held = indexes.range(Index::MembershipByMember, Key::EMPTY.id(principal))?;
    held.load_at_most(groups + 1)?;
    Ok(held.loaded().len() <= groups)
}

/// In an index of pairs of ids: those that begin with one of these ids, which ascend, and whose rows the
/// snapshot sees.
pub fn followers(
    indexes: &Indexes,
    index: Index,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, Uuid)>, Failure> {
    let rows = indexes.follow(index, ids)?;
    Ok(rows.map(|(id, entry)| (id, entry.key.id_at(16))).collect())
}
