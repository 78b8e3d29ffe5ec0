//! The membership registers. They stand under the locks of both principals.

use deed_core::decide::{Decision, Held};
use deed_core::fact::{Fact, Register};

use super::pairs::Pairs;
use super::sql_time;
use crate::pg::ids::sql_uuid;
use crate::pg::spi::{self, arg};

const PAIRS: Pairs = Pairs {
    table: "deed.membership",
    key: ["group_id", "member_id"],
};

/// Reads the versions held for the memberships that `wanted` names, between locked principals.
pub fn read(wanted: &Decision, held: &mut Held) {
    let keys = wanted.taken.keys().filter_map(|register| match register {
        Register::Membership { group, member } => Some((*group, *member)),
        _ => None,
    });
    PAIRS.read(
        keys,
        |group, member| Register::Membership { group, member },
        held,
    );
}

/// Writes the memberships that changed.
pub fn write(decision: &Decision) {
    let mut groups = Vec::new();
    let mut members = Vec::new();
    let mut versions = Vec::new();
    let mut removed = Vec::new();
    let mut actors = Vec::new();
    let mut times = Vec::new();
    for (register, (version, fact)) in &decision.taken {
        if let (
            Register::Membership { group, member },
            Fact::Membership {
                member: is_member,
                by,
            },
        ) = (register, fact)
        {
            groups.push(sql_uuid(*group));
            members.push(sql_uuid(*member));
            versions.push(version.as_bytes().to_vec());
            removed.push(!is_member);
            actors.push(by.map(sql_uuid));
            times.push(sql_time(version.time()));
        }
    }
    if groups.is_empty() {
        return;
    }
    spi::execute(
        "INSERT INTO deed.membership (group_id, member_id, version, removed, changed_by, \
           changed_at) \
         SELECT n.group_id, n.member_id, n.version, n.removed, n.changed_by, n.changed_at \
         FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6)) \
           AS n (group_id, member_id, version, removed, changed_by, changed_at) \
         ON CONFLICT (group_id, member_id) DO UPDATE \
         SET version = excluded.version, removed = excluded.removed, \
           changed_by = excluded.changed_by, changed_at = excluded.changed_at",
        &[
            arg(groups),
            arg(members),
            arg(versions),
            arg(removed),
            arg(actors),
            arg(times),
        ],
    );
}
