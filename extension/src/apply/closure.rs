//! The flat closure, derived from memberships, promotions and removals.
//!
//! It has rows of those principals that anything was ever a member of or promoted to: for each,
//! all that it reaches. A principal that only holds, as users do, has none, so most memberships
//! change nothing here and don't take its lock.

use std::collections::BTreeSet;

use deed_core::decide::Decision;
use deed_core::fact::{Fact, PrincipalRegister, Register};
use uuid::Uuid;

use super::sql_uuid;
use crate::pg::spi::{self, arg};

/// What a batch changed of the edges between principals.
#[derive(Default)]
struct Changes {
    /// Members and groups of the memberships that changed, side by side.
    members: Vec<Uuid>,
    groups: Vec<Uuid>,
    /// Links that were promoted, and to whom.
    links: BTreeSet<Uuid>,
    users: BTreeSet<Uuid>,
    /// Principals removed or restored.
    removed: BTreeSet<Uuid>,
    restored: BTreeSet<Uuid>,
}

/// Brings the closure in step with what the batch has written. Last of all, for behind its lock no
/// other row lock may be waited for.
pub fn follow(decision: &Decision) {
    let changes = Changes::of(decision);
    if !changes.concern_closure() {
        return;
    }
    spi::execute("SELECT FROM deed.closure_lock FOR UPDATE", &[]);
    // A new snapshot: all that others wrote before they gave the lock away.
    spi::execute(
        FOLLOW,
        &[
            sql(changes
                .members
                .iter()
                .chain(&changes.users)
                .chain(&changes.links)
                .chain(&changes.removed)
                .chain(&changes.restored)),
            sql(changes.groups.iter()),
            sql(changes.restored.iter()),
        ],
    );
}

/// Whoever reaches anything over a changed edge comes over unchanged live edges to the first
/// changed one, so it starts there, or has that start in its closure so far, or comes straight
/// into a restored principal: $1 and who reached it, $2 alone for it may have its first member,
/// and who now holds what $3 holds. These are computed anew.
const FOLLOW: &str = "\
    WITH RECURSIVE start (id) AS ( \
      SELECT * FROM unnest($1) \
      UNION \
      SELECT e.member_id FROM unnest($3) AS r (id) \
        JOIN deed.live_edge AS e ON e.group_id = r.id), \
    affected (id) AS ( \
      SELECT id FROM start \
      UNION \
      SELECT c.member_id FROM start AS s JOIN deed.closure AS c ON c.group_id = s.id \
      UNION \
      SELECT * FROM unnest($2)), \
    node (id) AS ( \
      SELECT a.id FROM affected AS a \
      WHERE EXISTS (SELECT FROM deed.membership AS m WHERE m.group_id = a.id) \
        OR EXISTS (SELECT FROM deed.principal AS p \
          WHERE p.id = a.id AND p.promotion_version IS NOT NULL)), \
    reach (member_id, group_id) AS ( \
      SELECT n.id, e.group_id FROM node AS n JOIN deed.live_edge AS e ON e.member_id = n.id \
      UNION \
      SELECT r.member_id, e.group_id \
      FROM reach AS r JOIN deed.live_edge AS e ON e.member_id = r.group_id), \
    gone AS ( \
      DELETE FROM deed.closure AS c USING node AS n \
      WHERE c.member_id = n.id AND NOT EXISTS ( \
        SELECT FROM reach AS r WHERE r.member_id = c.member_id AND r.group_id = c.group_id)) \
    INSERT INTO deed.closure (member_id, group_id) \
    SELECT r.member_id, r.group_id FROM reach AS r WHERE r.member_id <> r.group_id \
    ON CONFLICT (member_id, group_id) DO NOTHING";

/// Under the locks of the principals concerned, which nobody can give members, groups or links
/// meanwhile. A promotion always counts: the link's former user is not locked.
const CONCERNED: &str = "\
    SELECT EXISTS ( \
        SELECT FROM ROWS FROM (unnest($1), unnest($2)) AS e (member_id, group_id) \
        WHERE EXISTS (SELECT FROM deed.membership AS m WHERE m.group_id = e.member_id) \
          OR EXISTS (SELECT FROM deed.principal AS p \
            WHERE p.id = e.member_id AND p.promotion_version IS NOT NULL) \
          OR NOT EXISTS (SELECT FROM deed.closure AS c WHERE c.member_id = e.group_id) \
            AND (EXISTS (SELECT FROM deed.membership AS m \
                WHERE m.member_id = e.group_id AND NOT m.removed) \
              OR EXISTS (SELECT FROM deed.principal AS p WHERE p.promoted_to = e.group_id))) \
      OR EXISTS ( \
        SELECT FROM unnest($3) AS r (id) \
        WHERE EXISTS (SELECT FROM deed.membership AS m WHERE m.group_id = r.id) \
          OR EXISTS (SELECT FROM deed.principal AS p \
            WHERE p.id = r.id AND p.promotion_version IS NOT NULL))";

impl Changes {
    fn of(decision: &Decision) -> Self {
        let mut changes = Self::default();
        for (register, (_, fact)) in &decision.taken {
            match (register, fact) {
                (Register::Membership { group, member }, _) => {
                    changes.members.push(*member);
                    changes.groups.push(*group);
                }
                (
                    Register::Principal(link, PrincipalRegister::Promotion),
                    Fact::Promoted { user },
                ) => {
                    changes.links.insert(*link);
                    changes.users.insert(*user);
                }
                (Register::Principal(id, PrincipalRegister::Lifecycle), fact) => {
                    match fact {
                        Fact::Restored => changes.restored.insert(*id),
                        _ => changes.removed.insert(*id),
                    };
                }
                _ => {}
            }
        }
        changes
    }

    fn concern_closure(&self) -> bool {
        if !self.links.is_empty() {
            return true;
        }
        if self.members.is_empty() && self.removed.is_empty() && self.restored.is_empty() {
            return false;
        }
        let arguments = [
            sql(self.members.iter()),
            sql(self.groups.iter()),
            sql(self.removed.iter().chain(&self.restored)),
        ];
        let concerned = spi::write(CONCERNED, &arguments, |row| row.get(1));
        concerned == [Some(true)]
    }
}

fn sql<'a, 'b>(ids: impl Iterator<Item = &'b Uuid>) -> pgrx::datum::DatumWithOid<'a> {
    arg(ids.copied().map(sql_uuid).collect::<Vec<_>>())
}
