//! The derived tables, computed anew from the registers by statements that share nothing with the
//! product's own.

use postgres::Client;

/// A row for each permission that has a level and was not told to have expired, on a document that can be listed; those of a wide
/// document carry no time, and stay while it is deleted.
const LISTING: &str = "
  SELECT g.recipient_id, g.level,
    CASE WHEN w.registers > 100 THEN 'infinity' ELSE d.last_modified END AS last_modified,
    g.document_id, g.expires_at
  FROM deed.permission AS g
  JOIN deed.document AS d ON d.id = g.document_id
  JOIN (SELECT document_id, count(*) AS registers FROM deed.permission GROUP BY document_id) AS w
    ON w.document_id = g.document_id
  WHERE g.level IS NOT NULL AND NOT g.expired AND NOT d.purged
    AND (w.registers > 100 OR (d.created_at IS NOT NULL AND d.deleted_at IS NULL))";

/// For each node that ever had an edge into it, all others that it reaches while nothing on the way
/// is removed. A member holds what its group holds, a user what its link holds.
const CLOSURE: &str = "
  WITH RECURSIVE edge (holder, held) AS (
    SELECT member_id, group_id FROM deed.membership WHERE NOT removed
    UNION
    SELECT promoted_to, id FROM deed.principal WHERE promoted_to IS NOT NULL
  ), removed AS (
    SELECT id FROM deed.principal WHERE removed_at IS NOT NULL
  ), live AS (
    SELECT holder, held FROM edge
    WHERE holder NOT IN (SELECT id FROM removed) AND held NOT IN (SELECT id FROM removed)
  ), node AS (
    SELECT group_id AS id FROM deed.membership
    UNION
    SELECT id FROM deed.principal WHERE promotion_version IS NOT NULL
  ), reached (member_id, group_id) AS (
    SELECT node.id, live.held FROM node JOIN live ON live.holder = node.id
    UNION
    SELECT reached.member_id, live.held FROM reached JOIN live ON live.holder = reached.group_id
  )
  SELECT member_id, group_id FROM reached WHERE member_id <> group_id";

/// Whatever is at the receiving end of a membership or promotion, however that stands now.
const NODE: &str = "
  SELECT p.id FROM deed.principal AS p
  WHERE p.promotion_version IS NOT NULL OR p.id IN (SELECT group_id FROM deed.membership)";

/// What the tables hold and should not, or lack: nothing when they follow from the registers.
pub fn differences(client: &mut Client) -> Vec<String> {
    let mut all = Vec::new();
    for (table, stored, computed) in [
        (
            "listing",
            "SELECT recipient_id, level, last_modified, document_id, expires_at FROM deed.listing",
            LISTING,
        ),
        (
            "closure",
            "SELECT member_id, group_id FROM deed.closure",
            CLOSURE,
        ),
        (
            "principal",
            "SELECT id FROM deed.principal WHERE node",
            NODE,
        ),
    ] {
        for (what, more, less) in [("more", stored, computed), ("less", computed, stored)] {
            let query = format!(
                "SELECT format('{table} holds {what}: %s', t)
                 FROM (({more}) EXCEPT ALL ({less})) AS t ORDER BY 1 LIMIT 5"
            );
            let rows = client.query(&query, &[]).expect(table);
            all.extend(rows.iter().map(|row| row.get::<_, String>(0)));
        }
    }
    all
}

/// Fails with what differs.
pub fn assert_follow(client: &mut Client, what: &str) {
    let differences = differences(client);
    assert!(differences.is_empty(), "{what}: {}", differences.join("\n"));
}
