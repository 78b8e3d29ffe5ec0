//! What lies between a principal and the grants on a document, as it is stored: ended memberships,
//! removed principals and grants that don't count included.

use std::collections::{BTreeSet, HashMap, HashSet};

use deed_core::{EVERYONE, Level, RecipientKind, USERS};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use uuid::Uuid;

use super::paths::{Edge, Graph};
use crate::pg::enums::{oid_of, value_of};
use crate::pg::ids::{core_uuid, sql_uuid, sql_uuids};
use crate::pg::spi::{self, arg};

/// A permission of the document's.
pub struct Grant {
    /// None is the tombstone that a revoke leaves.
    pub level: Option<Level>,
    /// Who granted or revoked it.
    pub by: Option<pgrx::Uuid>,
    /// When.
    pub at: TimestampWithTimeZone,
    /// Until when it counts.
    pub expires_at: Option<TimestampWithTimeZone>,
    /// Whether that is over.
    pub expired: bool,
}

/// A principal between, at either end included.
pub struct Node {
    /// Which one.
    pub id: Uuid,
    /// Label of what it is, if that is known.
    pub kind: Option<pg_sys::Oid>,
    /// Whether it is removed.
    pub removed: bool,
    /// Its own permission.
    pub grant: Option<Grant>,
}

/// All that lies between.
pub struct Web {
    /// By id.
    pub nodes: Vec<Node>,
    /// Their edges, in order.
    pub graph: Graph,
    /// The principal's number.
    pub asker: usize,
    /// Whether the document is created.
    pub created: bool,
    /// Whether it is in the trash.
    pub deleted: bool,
}

/// The recipients that are the asker ($1) or whom others may lead to.
const RECIPIENTS: &str = "\
    SELECT p.recipient_id FROM deed.permission AS p \
    WHERE p.document_id = $2 AND (p.recipient_id = $1 \
      OR (SELECT n.node FROM deed.principal AS n WHERE n.id = p.recipient_id))";

/// Who leads to these ($2), and is the asker ($1) or somebody whom others may lead to in their turn:
/// most members are neither. `OFFSET 0` keeps the planner from joining whole tables.
const EDGES: &str = "\
    SELECT e.member_id, g.id, e.removed, false \
    FROM unnest($2) AS g (id) CROSS JOIN LATERAL ( \
      SELECT m.member_id, m.removed FROM deed.membership AS m \
      WHERE m.group_id = g.id AND (m.member_id = $1 \
        OR (SELECT n.node FROM deed.principal AS n WHERE n.id = m.member_id)) \
      OFFSET 0) AS e \
    UNION ALL \
    SELECT e.promoted_to, g.id, false, true \
    FROM unnest($2) AS g (id) CROSS JOIN LATERAL ( \
      SELECT l.promoted_to FROM deed.principal AS l \
      WHERE l.id = g.id AND l.promoted_to IS NOT NULL OFFSET 0) AS e";

/// What is to be known of these ($1), on the document ($2). A document without a row counts as
/// created, as it does for checks.
const NODES: &str = "\
    SELECT n.id, CASE WHEN n.id IN (deed.everyone(), deed.users()) \
        THEN 'group'::deed.permission_recipient ELSE r.kind END, \
      r.removed_at IS NOT NULL, g.granted_at, g.level, g.granted_by, g.expires_at, \
      g.expires_at <= pg_catalog.statement_timestamp() \
    FROM unnest($1) AS n (id) \
    LEFT JOIN LATERAL (SELECT p.kind, p.removed_at FROM deed.principal AS p \
      WHERE p.id = n.id OFFSET 0) AS r ON true \
    LEFT JOIN LATERAL (SELECT p.granted_at, p.level, p.granted_by, p.expires_at \
      FROM deed.permission AS p \
      WHERE p.document_id = $2 AND p.recipient_id = n.id OFFSET 0) AS g ON true \
    ORDER BY n.id";

const DOCUMENT: &str = "\
    SELECT d.created_at IS NOT NULL, d.deleted_at IS NOT NULL FROM deed.document AS d \
    WHERE d.id = $1";

/// An edge as it is stored.
#[derive(Clone, Copy)]
struct Stored {
    from: Uuid,
    to: Uuid,
    promotion: bool,
    live: bool,
}

impl Web {
    /// Reads it, from the grants towards the principal, under the caller's snapshot.
    pub fn between(principal: Uuid, document: Uuid) -> Self {
        let edges = leaving(principal, &leading(principal, document));
        let mut ids = BTreeSet::from([principal, EVERYONE, USERS]);
        ids.extend(edges.iter().flat_map(|edge| [edge.from, edge.to]));
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let number: HashMap<Uuid, usize> = ids.iter().copied().zip(0..).collect();
        let (nodes, asker) = (nodes(&ids, document), number[&principal]);
        let mut graph = vec![Vec::new(); nodes.len()];
        for edge in edges {
            graph[number[&edge.from]].push(Edge {
                to: number[&edge.to],
                promotion: edge.promotion,
                live: edge.live,
            });
        }
        let is_user = nodes[asker].kind == Some(oid_of(RecipientKind::User));
        for (built_in, live) in [(EVERYONE, true), (USERS, is_user)] {
            graph[asker].push(Edge {
                to: number[&built_in],
                promotion: false,
                live,
            });
        }
        graph.iter_mut().for_each(|edges| edges.sort());
        let state = spi::read(DOCUMENT, &[arg(sql_uuid(document))], |row| {
            (row.get(1) == Some(true), row.get(2) == Some(true))
        });
        let (created, deleted) = state.first().copied().unwrap_or((true, false));
        Self {
            nodes,
            graph,
            asker,
            created,
            deleted,
        }
    }

    /// The edges that pass something on.
    pub fn live(&self) -> Graph {
        let passes = |edge: &&Edge| edge.live && !self.nodes[edge.to].removed;
        let edges = self.graph.iter();
        edges
            .map(|edges| edges.iter().filter(passes).copied().collect())
            .collect()
    }

    /// Which nodes are so.
    pub fn recipients(&self, is_one: impl Fn(&Node) -> bool) -> Vec<bool> {
        self.nodes.iter().map(is_one).collect()
    }

    /// Whether the node's grant counts for the asker, if a path over live edges leads there.
    pub fn counts(&self, node: &Node) -> bool {
        let lives = |grant: &Grant| grant.level.is_some() && !grant.expired;
        node.grant.as_ref().is_some_and(lives)
            && !node.removed
            && !self.nodes[self.asker].removed
            && self.created
            && !self.deleted
    }

    /// The recipient at the end of a path.
    pub fn end(&self, path: &[Edge]) -> &Node {
        &self.nodes[path.last().map_or(self.asker, |edge| edge.to)]
    }

    /// What a path passes on its way to the recipient.
    pub fn via(&self, path: &[Edge]) -> impl Iterator<Item = &Node> {
        let passed = path.split_last().map_or(&[][..], |(_, passed)| passed);
        passed.iter().map(|edge| &self.nodes[edge.to])
    }
}

impl Node {
    /// Whether that was granted to it; none is a grant that was revoked.
    pub fn grants(&self, level: Option<Level>) -> bool {
        self.grant
            .as_ref()
            .is_some_and(|grant| grant.level == level)
    }
}

/// The edges of whatever leads to a grant, as far as the principal may come over them.
fn leading(principal: Uuid, document: Uuid) -> Vec<Stored> {
    let asker = sql_uuid(principal);
    let recipients = [arg(asker), arg(sql_uuid(document))];
    let mut last = ids(spi::read(RECIPIENTS, &recipients, |row| row.get(1)));
    let mut known: HashSet<Uuid> = last.iter().copied().collect();
    let mut edges = Vec::new();
    while !last.is_empty() {
        pgrx::check_for_interrupts!();
        let more = spi::read(EDGES, &[arg(asker), arg(sql_uuids(&last))], |row| {
            Some(Stored {
                from: core_uuid(row.get(1)?),
                to: core_uuid(row.get(2)?),
                live: row.get(3) == Some(false),
                promotion: row.get(4)?,
            })
        });
        let more: Vec<Stored> = more.into_iter().flatten().collect();
        last = more.iter().map(|edge| edge.from).collect();
        last.retain(|id| known.insert(*id));
        edges.extend(more);
    }
    edges
}

/// Those of them that the principal reaches.
fn leaving(principal: Uuid, edges: &[Stored]) -> Vec<Stored> {
    let mut of: HashMap<Uuid, Vec<Stored>> = HashMap::new();
    for edge in edges {
        of.entry(edge.from).or_default().push(*edge);
    }
    let mut reached = Vec::new();
    let mut last = vec![principal];
    while let Some(edges) = last.pop().map(|id| of.remove(&id).unwrap_or_default()) {
        last.extend(edges.iter().map(|edge| edge.to));
        reached.extend(edges);
    }
    reached
}

/// What is known of these, in their order.
fn nodes(ids: &[Uuid], document: Uuid) -> Vec<Node> {
    let arguments = [arg(sql_uuids(ids)), arg(sql_uuid(document))];
    let nodes = spi::read(NODES, &arguments, |row| {
        let grant = row.get(4).map(|at| Grant {
            at,
            level: row.get(5).and_then(value_of),
            by: row.get(6),
            expires_at: row.get(7),
            expired: row.get(8) == Some(true),
        });
        Some(Node {
            id: core_uuid(row.get(1)?),
            kind: row.get(2),
            removed: row.get(3)?,
            grant,
        })
    });
    nodes.into_iter().flatten().collect()
}

fn ids(rows: Vec<Option<pgrx::Uuid>>) -> Vec<Uuid> {
    rows.into_iter().flatten().map(core_uuid).collect()
}
