//! The flat closure, derived from memberships, promotions and removals.
//!
//! It has rows of nodes, to which anybody was ever a member or promoted: for each, all that it reaches. A
//! principal that only holds, as users do, has none, so most memberships change nothing here and don't
//! take its lock.

use std::collections::BTreeSet;

use deed_core::decide::Decision;
use deed_core::fact::{Fact, PrincipalRegister, Register};
use deed_core::version::Version;
use uuid::Uuid;

use super::before::Before;
use super::principals::Nodes;
use crate::pg::ids::sql_uuid;
use crate::pg::spi::{self, arg};
use crate::traces::Traces;

/// What a batch changed of the edges between principals.
#[derive(Default)]
struct Changes {
    /// Members and groups of the memberships that changed, side by side.
    members: Vec<Uuid>,
    groups: Vec<Uuid>,
    /// Whether any of them ended.
    ended: bool,
    /// Links that were promoted, and to whom.
    links: BTreeSet<Uuid>,
    users: BTreeSet<Uuid>,
    /// Principals removed or restored.
    removed: BTreeSet<Uuid>,
    restored: BTreeSet<Uuid>,
    /// The greatest event among those that did it.
    cause: Option<Version>,
}

/// Brings the closure in step with what the batch has written. Last of all, for behind its lock no
/// other lock may be waited for.
pub fn follow(before: &Before, decision: &Decision, nodes: &Nodes, traces: &Traces) {
    let changes = Changes::of(before, decision);
    if !changes.concern_closure(nodes) {
        return;
    }
    // Locks the row without writing it, and makes it if it is not there.
    spi::execute(
        "INSERT INTO deed.closure_lock AS l (only_row) VALUES (true) \
         ON CONFLICT (only_row) DO UPDATE SET only_row = true WHERE NOT l.only_row",
        &[],
    );
    // Each statement has a new snapshot: all that others wrote before they gave the lock away.
    if changes.only_add() {
        changes.join(nodes);
        changes.mark_below(traces);
        return;
    }
    // Who reaches a principal through itself alone does so only before it is removed, or after it is restored.
    changes.mark_below(traces);
    spi::execute(
        FOLLOW,
        &[
            sql(changes.starts()),
            sql(changes.restored.iter()),
            sql(nodes.made()),
        ],
    );
    changes.mark_below(traces);
}

/// What new nodes ($1) reach.
const NEW_NODES: &str = "\
    WITH RECURSIVE reach (member_id, group_id) AS ( \
      SELECT n.id, e.group_id FROM unnest($1) AS n (id) \
        CROSS JOIN LATERAL (SELECT e.group_id FROM deed.live_edge AS e \
          WHERE e.member_id = n.id OFFSET 0) AS e \
      UNION \
      SELECT r.member_id, e.group_id FROM reach AS r \
        CROSS JOIN LATERAL (SELECT e.group_id FROM deed.live_edge AS e \
          WHERE e.member_id = r.group_id OFFSET 0) AS e) \
    INSERT INTO deed.closure (member_id, group_id) \
    SELECT r.member_id, r.group_id FROM reach AS r WHERE r.member_id <> r.group_id \
    ON CONFLICT (member_id, group_id) DO NOTHING";

/// Those of the new edges (from $1 to $2) that live.
const LIVE_EDGES: &str = "\
    SELECT n.member_id, n.group_id \
    FROM ROWS FROM (unnest($1), unnest($2)) AS n (member_id, group_id) \
    WHERE EXISTS (SELECT FROM deed.live_edge AS e \
      WHERE e.member_id = n.member_id AND e.group_id = n.group_id)";

/// A new edge from $1 to $2: who reached the one reaches the other, and all that this reaches.
/// Italiano's join (1986); who reached the other already gains nothing.
const JOIN: &str = "\
    INSERT INTO deed.closure (member_id, group_id) \
    SELECT m.id, g.id \
    FROM (SELECT $1 UNION ALL SELECT c.member_id FROM deed.closure AS c WHERE c.group_id = $1) \
        AS m (id) \
      CROSS JOIN \
        (SELECT $2 UNION ALL SELECT c.group_id FROM deed.closure AS c WHERE c.member_id = $2) \
        AS g (id) \
    WHERE m.id <> g.id AND NOT EXISTS (SELECT FROM deed.closure AS c \
      WHERE c.member_id = m.id AND c.group_id = $2) \
    ON CONFLICT (member_id, group_id) DO NOTHING";

/// Computes anew whatever may reach something else than before. Its way comes over unchanged live
/// edges to the first changed one, so it is
///
/// - the start of a changed edge ($1), or who reached that so far;
/// - in a restored principal ($2), whom nobody reached so far, or who reached such a member;
/// - a new node ($3).
///
/// `OFFSET 0` keeps the planner from joining whole tables, for it knows nothing of how few rows the
/// recursion finds.
const FOLLOW: &str = "\
    WITH RECURSIVE start (id) AS ( \
      SELECT * FROM unnest($1) \
      UNION \
      SELECT e.member_id FROM unnest($2) AS r (id) \
        CROSS JOIN LATERAL (SELECT e.member_id FROM deed.live_edge AS e \
          WHERE e.group_id = r.id OFFSET 0) AS e), \
    affected (id) AS ( \
      SELECT id FROM start \
      UNION \
      SELECT c.member_id FROM start AS s \
        CROSS JOIN LATERAL (SELECT c.member_id FROM deed.closure AS c \
          WHERE c.group_id = s.id OFFSET 0) AS c \
      UNION \
      SELECT * FROM unnest($3)), \
    node (id) AS ( \
      SELECT a.id FROM affected AS a \
      WHERE (SELECT p.node FROM deed.principal AS p WHERE p.id = a.id)), \
    reach (member_id, group_id) AS ( \
      SELECT n.id, e.group_id FROM node AS n \
        CROSS JOIN LATERAL (SELECT e.group_id FROM deed.live_edge AS e \
          WHERE e.member_id = n.id OFFSET 0) AS e \
      UNION \
      SELECT r.member_id, e.group_id FROM reach AS r \
        CROSS JOIN LATERAL (SELECT e.group_id FROM deed.live_edge AS e \
          WHERE e.member_id = r.group_id OFFSET 0) AS e), \
    gone AS ( \
      DELETE FROM deed.closure AS c WHERE c.ctid = ANY (ARRAY( \
        SELECT o.tid FROM node AS n \
          CROSS JOIN LATERAL (SELECT c.ctid AS tid, c.member_id, c.group_id \
            FROM deed.closure AS c WHERE c.member_id = n.id OFFSET 0) AS o \
        WHERE NOT EXISTS (SELECT FROM reach AS r \
          WHERE r.member_id = o.member_id AND r.group_id = o.group_id)))) \
    INSERT INTO deed.closure (member_id, group_id) \
    SELECT r.member_id, r.group_id FROM reach AS r WHERE r.member_id <> r.group_id \
    ON CONFLICT (member_id, group_id) DO NOTHING";

/// Marks the nodes that reach any of these ($1), because of that event ($2) of that trace ($3).
const MARK_BELOW: &str = "\
    INSERT INTO deed.mark (kind, subject_id, cause, traceparent) \
    SELECT k.kind, below.id, $2, $3 \
    FROM (SELECT DISTINCT c.member_id FROM unnest($1) AS s (id) \
        CROSS JOIN LATERAL (SELECT c.member_id FROM deed.closure AS c \
          WHERE c.group_id = s.id OFFSET 0) AS c) AS below (id) \
      CROSS JOIN (VALUES ('group'::deed.mark_kind), ('principal')) AS k (kind)";

/// Whether any of these ($1) is a member, or was promoted to somebody. The order keeps the planner from
/// reading a table in the hope to meet a row soon.
const LEADS_ON: &str = "\
    SELECT EXISTS (SELECT FROM unnest($1) AS n (id) \
      WHERE (SELECT true FROM deed.membership AS m \
          WHERE m.member_id = n.id AND NOT m.removed ORDER BY m.group_id LIMIT 1) \
        OR (SELECT true FROM deed.principal AS p \
          WHERE p.promoted_to = n.id ORDER BY p.id LIMIT 1))";

impl Changes {
    /// Those that change a value: a membership that is told anew is none.
    fn of(before: &Before, decision: &Decision) -> Self {
        let mut changes = Self::default();
        for (register, (version, fact)) in &decision.taken {
            match (register, fact) {
                (
                    Register::Membership { group, member },
                    Fact::Membership { member: added, .. },
                ) if before.is_member(*group, *member) != *added => {
                    changes.members.push(*member);
                    changes.groups.push(*group);
                    changes.ended |= !added;
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
                        Fact::Restored { .. } => changes.restored.insert(*id),
                        _ => changes.removed.insert(*id),
                    };
                }
                _ => continue,
            }
            changes.cause = changes.cause.take().max(Some(version.clone()));
        }
        changes
    }

    /// Those whose own reach changes first.
    fn starts(&self) -> impl Iterator<Item = &Uuid> {
        self.members
            .iter()
            .chain(&self.users)
            .chain(&self.links)
            .chain(&self.removed)
            .chain(&self.restored)
    }

    /// Has the relay look at the nodes that reach them, for what these reach changes too.
    fn mark_below(&self, traces: &Traces) {
        let cause = self
            .cause
            .as_ref()
            .map(|version| version.as_bytes().to_vec());
        let trace = traces.trace(self.cause.as_ref());
        spi::execute(MARK_BELOW, &[sql(self.starts()), arg(cause), arg(trace)]);
    }

    /// Whether nothing can be reached less than before.
    fn only_add(&self) -> bool {
        let others = [&self.links, &self.users, &self.removed, &self.restored];
        !self.ended && others.iter().all(|ids| ids.is_empty())
    }

    /// Adds what the new memberships reach.
    fn join(&self, nodes: &Nodes) {
        if nodes.made().next().is_some() {
            spi::execute(NEW_NODES, &[sql(nodes.made())]);
        }
        let edges = self.members.iter().zip(&self.groups);
        let (members, groups): (Vec<Uuid>, Vec<Uuid>) =
            edges.filter(|(member, _)| nodes.contains(member)).unzip();
        if members.is_empty() {
            return;
        }
        let edges = [sql(members.iter()), sql(groups.iter())];
        let edges = spi::write(LIVE_EDGES, &edges, |row| {
            Some((row.get::<pgrx::Uuid>(1)?, row.get::<pgrx::Uuid>(2)?))
        });
        for (member, group) in edges.into_iter().flatten() {
            spi::execute(JOIN, &[arg(member), arg(group)]);
        }
    }

    /// Whether what a node reaches may change. Read under the locks of the principals concerned, whom
    /// nobody can give members, groups or links meanwhile. A promotion always counts: the link's former
    /// user is not locked.
    fn concern_closure(&self, nodes: &Nodes) -> bool {
        let mut changed = self
            .members
            .iter()
            .chain(&self.removed)
            .chain(&self.restored);
        if !self.links.is_empty() || changed.any(|id| nodes.contains(id)) {
            return true;
        }
        nodes.made().next().is_some()
            && spi::write(LEADS_ON, &[sql(nodes.made())], |row| row.get(1)) == [Some(true)]
    }
}

fn sql<'a, 'b>(ids: impl Iterator<Item = &'b Uuid>) -> pgrx::datum::DatumWithOid<'a> {
    arg(ids.copied().map(sql_uuid).collect::<Vec<_>>())
}
