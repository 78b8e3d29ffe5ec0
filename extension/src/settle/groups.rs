//! From a principal whose reach changed to those that hold what it holds: its members, and the user that a link
//! was promoted to. Those of them that are watched are marked.

use super::marked::Marked;
use crate::marks::{Kind, Marks};
use crate::pg::ids::core_uuid;
use crate::traces::Traces;

/// How many members are looked up in one call; most are watched by nobody.
const MEMBERS: usize = 10_000;

/// By memberships alone, whoever is removed: else the members of a removed group would not be found. Further
/// below need not be looked, for whoever changes the closure marks all nodes that it concerns.
const OF_GROUP: &str = "\
    SELECT m.member_id AS id FROM deed.membership AS m \
    WHERE m.group_id = s.id AND NOT m.removed AND m.member_id >= s.looked_at ORDER BY m.member_id";

/// Of a link there is one at most, so it needs no pages.
const OF_LINK: &str = "\
    SELECT p.promoted_to AS id FROM deed.principal AS p \
    WHERE p.id = s.id AND p.promoted_to IS NOT NULL";

/// Looks at a page of marks; whether there may be more.
pub fn spread(traces: &mut Traces) -> bool {
    let marked = Marked::read(Kind::Group, traces);
    if marked.is_empty() {
        return false;
    }
    let mut marks = Marks::default();
    let mut find = |holders: &str| {
        let found = marked.rows(IS_WATCHED, holders, MEMBERS, |row| {
            Some((core_uuid(row.get(2)?), row.get(3) == Some(true)))
        });
        for (place, (id, _)) in found.iter().filter(|(_, (_, is_watched))| *is_watched) {
            marks.add(Kind::Principal, *id, marked.cause(*place));
        }
        found
    };
    find(OF_LINK);
    let members = find(OF_GROUP);
    marks.write(traces);
    let last = members.last().map(|(place, (id, _))| (*place, *id));
    marked.done(last.filter(|_| members.len() == MEMBERS))
}

/// No EXISTS, which could be answered by hashing all that is watched.
const IS_WATCHED: &str =
    "c.id, (SELECT true FROM deed.watched AS w WHERE w.principal_id = c.id LIMIT 1)";
