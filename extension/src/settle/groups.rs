//! From a principal whose reach changed to those that hold what it holds: its members, and the user that a link
//! was promoted to. Those of them that are watched are marked.

use uuid::Uuid;

use super::marked::Marked;
use crate::marks::{Kind, Marks};
use crate::pg::ids::core_uuid;
use crate::pg::spi::{self, arg};

/// How many members are looked up in one call; most are watched by nobody.
const MEMBERS: usize = 10_000;

/// By memberships alone, whoever is removed: else the members of a removed group would not be found. Further
/// below need not be looked, for whoever changes the closure marks all nodes that it concerns.
///
/// A LIMIT within LATERAL is answered subject by subject, so what comes first is complete; the one user comes last, for
/// looking goes on by the members' ids. No EXISTS, which could be answered by hashing all that is watched.
const HOLDERS: &str = "\
    SELECT s.place, h.id, (SELECT true FROM deed.watched AS w WHERE w.principal_id = h.id LIMIT 1) \
    FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4)) AS s (place, id, other, looked_at) \
    CROSS JOIN LATERAL ( \
      (SELECT m.member_id FROM deed.membership AS m \
        WHERE m.group_id = s.id AND NOT m.removed AND m.member_id >= s.looked_at \
        ORDER BY m.member_id LIMIT $5) \
      UNION ALL \
      (SELECT p.promoted_to FROM deed.principal AS p \
        WHERE p.id = s.id AND p.promoted_to IS NOT NULL)) AS h (id) \
    LIMIT $5";

/// Looks at a page of marks; whether there may be more.
pub fn spread() -> bool {
    let marked = Marked::read(Kind::Group);
    if marked.is_empty() {
        return false;
    }
    let [places, ids, others, looked_at] = marked.arguments();
    let arguments = [places, ids, others, looked_at, arg(MEMBERS as i64)];
    let holders: Vec<(i32, Uuid, bool)> = spi::write(HOLDERS, &arguments, |row| {
        Some((
            row.get(1)?,
            core_uuid(row.get(2)?),
            row.get(3).is_some_and(|watched: bool| watched),
        ))
    })
    .into_iter()
    .flatten()
    .collect();
    let mut marks = Marks::default();
    for (place, id, _) in holders.iter().filter(|(.., is_watched)| *is_watched) {
        marks.add(Kind::Principal, *id, marked.cause(*place));
    }
    marks.write();
    let last = holders.last().map(|(place, id, _)| (*place, *id));
    marked.done(last.filter(|_| holders.len() == MEMBERS))
}
