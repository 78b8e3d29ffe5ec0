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
    least(greatest(d.created_at, (
        SELECT pg_catalog.max(greatest(p.granted_at,
          CASE WHEN p.level = 'owner' THEN greatest(r.removed_at,
            CASE WHEN p.expires_at <= pg_catalog.statement_timestamp() THEN p.expires_at END) END))
        FROM deed.permission AS p LEFT JOIN deed.principal AS r ON r.id = p.recipient_id
        WHERE p.document_id = d.id AND p.recipient_id NOT IN (deed.everyone(), deed.users()))),
      pg_catalog.statement_timestamp()) AS since
  FROM deed.document AS d
  WHERE d.created_at IS NOT NULL AND d.deleted_at IS NULL AND NOT EXISTS (
    SELECT FROM deed.permission AS p
    WHERE p.document_id = d.id AND p.level = 'owner'
      AND p.recipient_id NOT IN (deed.everyone(), deed.users())
      AND (p.expires_at IS NULL OR p.expires_at > pg_catalog.statement_timestamp())
      AND NOT EXISTS (
        SELECT FROM deed.principal AS r WHERE r.id = p.recipient_id AND r.removed_at IS NOT NULL));
COMMENT ON VIEW deed.orphaned_documents IS
  'Documents that nobody owns: created, not deleted, without an owner grant that lives and whose recipient is not removed. everyone and users are no owners, a group without members is one.';
COMMENT ON COLUMN deed.orphaned_documents.since IS
  'It has had no owner at least since then: the last change among its creation and permissions, and the expiry or removal of owners. (A permission that changed may have been an owner''s.)';
