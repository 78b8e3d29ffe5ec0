CREATE VIEW deed.live_edge AS
  SELECT e.member_id, e.group_id
  FROM (
    SELECT m.member_id, m.group_id FROM deed.membership AS m WHERE NOT m.removed
    UNION ALL
    SELECT p.promoted_to, p.id FROM deed.principal AS p WHERE p.promoted_to IS NOT NULL) AS e
  WHERE NOT EXISTS (
      SELECT FROM deed.principal AS r WHERE r.id = e.member_id AND r.removed_at IS NOT NULL)
    AND NOT EXISTS (
      SELECT FROM deed.principal AS r WHERE r.id = e.group_id AND r.removed_at IS NOT NULL);
COMMENT ON VIEW deed.live_edge IS
  'Who holds what whom else holds: a member what its group does, a user what a link promoted to it does. Nothing passes through a removed principal.';

CREATE VIEW deed.orphaned_documents AS
  SELECT d.id AS document_id, d.title,
    -- A producer's clock may be ahead of this one.
    least(greatest(d.created_at, s.since), pg_catalog.statement_timestamp()) AS since
  FROM deed.document AS d
  CROSS JOIN LATERAL (
    SELECT
      coalesce(pg_catalog.bool_or(o.owner AND o.expired_at IS NULL AND o.removed_at IS NULL), false)
        AS owned,
      pg_catalog.max(greatest(o.granted_at,
        CASE WHEN o.owner THEN greatest(o.expired_at, o.removed_at) END)) AS since
    FROM (
      SELECT p.granted_at, (p.level = 'owner') IS TRUE AS owner, r.removed_at,
        CASE WHEN p.expires_at <= pg_catalog.statement_timestamp() THEN p.expires_at END AS expired_at
      FROM deed.permission AS p LEFT JOIN deed.principal AS r ON r.id = p.recipient_id
      WHERE p.document_id = d.id AND p.recipient_id NOT IN (deed.everyone(), deed.users())) AS o) AS s
  WHERE d.created_at IS NOT NULL AND d.deleted_at IS NULL AND NOT s.owned;
COMMENT ON VIEW deed.orphaned_documents IS
  'Documents that nobody owns: created, not deleted, without an owner grant that lives and whose recipient is not removed. everyone and users are no owners, a group without members is one.';
COMMENT ON COLUMN deed.orphaned_documents.since IS
  'It has had no owner at least since then: the last change among its creation and permissions, and the expiry or removal of owners. (A permission that changed may have been an owner''s.)';
