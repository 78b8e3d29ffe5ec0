-- From 0.1.0 to 0.2.0: every event of the contract, groups, links and the built-in recipients.
--
-- A session that has run 0.1.0's library keeps it until it ends, and must not write behind this script,
-- which derives deed.listing once. New calls of it fail, for functions whose meaning changed have new C
-- symbols. A call that waits for the locks taken here fails too if it is about a document: it
-- names lifecycle_version, which is renamed, in its first statement on deed.document. What it writes of
-- principals derives nothing.

-- Nothing here may revoke from, or grant on, what 0.1.0 made: inside an extension's script that would
-- make the roles' present grants part of the extension, and pg_dump would leave them out.

-- Checks lock permissions before documents, applying the other way round, so there is no order in which this
-- could wait without a deadlock. It waits a twentieth of a second for each table instead, gives back what it has, and tries
-- again: others wait for it for a quarter of a second at most until it has all of them.
DO $lock$
DECLARE
  given text := pg_catalog.current_setting('lock_timeout');
  began timestamptz := pg_catalog.clock_timestamp();
  told timestamptz := began;
  moment timestamptz;
BEGIN
  LOOP
    BEGIN
      PERFORM pg_catalog.set_config('lock_timeout', '50ms', true);
      LOCK TABLE deed.document, deed.principal, deed.permission IN ACCESS EXCLUSIVE MODE;
      PERFORM pg_catalog.set_config('lock_timeout', given, true);
      RETURN;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
      moment := pg_catalog.clock_timestamp();
      IF given <> '0' AND moment - began > given::interval THEN
        RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
          MESSAGE = 'could not lock the tables of deed within lock_timeout',
          HINT = 'End transactions that have asked or applied, as pg_stat_activity shows them, or wait longer.';
      END IF;
      IF moment - told > '5 seconds'::interval THEN
        told := moment;
        RAISE WARNING 'waiting for transactions that have asked or applied, as pg_stat_activity shows them';
      END IF;
      PERFORM pg_catalog.pg_sleep(0.3 + pg_catalog.random() * 0.3);
    END;
  END LOOP;
END
$lock$;

ALTER TABLE deed.document RENAME COLUMN lifecycle_version TO deletion_version;
ALTER TABLE deed.document ADD COLUMN purged boolean NOT NULL DEFAULT false;

ALTER TABLE deed.principal
  ADD COLUMN removal_version bytea,
  ADD COLUMN removed_at timestamptz,
  ADD COLUMN removed_by uuid,
  ADD COLUMN promotion_version bytea,
  ADD COLUMN promoted_to uuid;

COMMENT ON COLUMN deed.document.deletion_version IS 'Version of what deleted_at says.';

COMMENT ON COLUMN deed.document.purged IS
  'Nothing but the id is kept, and no event changes that any more.';

COMMENT ON TABLE deed.principal IS
  'One row a principal that an event was about, at either end of a membership or promotion. Its row lock orders everything that concerns the principal but its permissions. A recipient needs no row here to hold one.';

COMMENT ON COLUMN deed.principal.removed_at IS 'When it was removed; null while it is not.';

COMMENT ON COLUMN deed.principal.promoted_to IS
  'The principal that took this share-link identity over, and holds what it holds.';

CREATE TABLE deed.membership (
  group_id   uuid NOT NULL,
  member_id  uuid NOT NULL,
  version    bytea NOT NULL,
  removed    boolean NOT NULL,
  changed_by uuid,
  changed_at timestamptz NOT NULL,
  PRIMARY KEY (group_id, member_id)
);
COMMENT ON TABLE deed.membership IS
  'Whether one principal is a member of another. Written under the row locks of both.';

COMMENT ON COLUMN deed.membership.removed IS 'The tombstone that a removal leaves.';

CREATE TABLE deed.listing (
  recipient_id  uuid NOT NULL,
  level         deed.permission_level NOT NULL,
  last_modified timestamptz NOT NULL,
  document_id   uuid NOT NULL,
  expires_at    timestamptz,
  PRIMARY KEY (recipient_id, level, last_modified, document_id) INCLUDE (expires_at)
);
COMMENT ON TABLE deed.listing IS
  'The permissions in the order in which a recipient''s documents are listed. Derived: one row for each that is not revoked, on a document that is created and not deleted, or wide. Written under the document''s row lock alone.';

COMMENT ON COLUMN deed.listing.last_modified IS
  'Of the document; infinity for a wide one (over 100 permissions, revoked ones included), whose rows an update would take too long to move: such a document is looked up and sorted when it is read, and its rows are there while it is not created or deleted.';

CREATE TABLE deed.closure (
  member_id uuid NOT NULL,
  group_id  uuid NOT NULL,
  PRIMARY KEY (member_id, group_id)
);
COMMENT ON TABLE deed.closure IS
  'For each principal that has or had members, or a user that it was promoted to: all groups and links that it reaches over one edge or more, none of them through a removed principal. Derived from memberships and promotions; principals that only hold, as users do, are not in member_id. Written under closure_lock alone.';

CREATE TABLE deed.closure_lock (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
COMMENT ON TABLE deed.closure_lock IS
  'At most one row, whose lock comes after all others and orders those who write deed.closure.';

CREATE INDEX principal_kind ON deed.principal (id) INCLUDE (kind);
COMMENT ON INDEX deed.principal_kind IS 'Checks: who is in users.';

CREATE INDEX principal_removed ON deed.principal (id) WHERE removed_at IS NOT NULL;
COMMENT ON INDEX deed.principal_removed IS 'Checks: principals through which nothing passes.';

CREATE INDEX principal_by_promotion ON deed.principal (promoted_to, id)
  WHERE promoted_to IS NOT NULL;
COMMENT ON INDEX deed.principal_by_promotion IS 'Checks: the links that a user took over.';

CREATE INDEX membership_by_member ON deed.membership (member_id, group_id) WHERE NOT removed;
COMMENT ON INDEX deed.membership_by_member IS 'Checks: the groups that a principal is in.';

CREATE INDEX closure_by_group ON deed.closure (group_id, member_id);
COMMENT ON INDEX deed.closure_by_group IS 'Applying: whose closure changes with that of a group.';

-- The permissions of 0.1.0, in the order of lists.
INSERT INTO deed.listing (recipient_id, level, last_modified, document_id, expires_at)
SELECT p.recipient_id, p.level,
  CASE WHEN d.wide THEN 'infinity' ELSE d.last_modified END, p.document_id, p.expires_at
FROM (
  SELECT d.id, d.last_modified, d.created_at IS NOT NULL AND d.deleted_at IS NULL AS live,
    (SELECT pg_catalog.count(*) FROM deed.permission AS c WHERE c.document_id = d.id) > 100 AS wide
  FROM deed.document AS d) AS d
JOIN deed.permission AS p ON p.document_id = d.id
WHERE p.level IS NOT NULL AND (d.wide OR d.live);

COMMENT ON FUNCTION deed.everyone() IS
  'The built-in recipient that every principal is in, visitors without identity included.';

COMMENT ON FUNCTION deed.users() IS
  'The built-in recipient that every registered user is in who is not removed.';

CREATE OR REPLACE FUNCTION deed.has_permission(principal uuid, document uuid, level deed.permission_level)
  RETURNS boolean
  LANGUAGE c STABLE STRICT PARALLEL SAFE COST 200
  AS 'MODULE_PATHNAME', 'deed_has_permission_0_2';

COMMENT ON FUNCTION deed.has_permission(uuid, uuid, deed.permission_level) IS
  'Whether the principal holds at least this level on the document: by name, through groups and links that it took over, through everyone or users. An unknown document or a removed principal gives false.';

CREATE OR REPLACE FUNCTION deed.effective_level(principal uuid, document uuid)
  RETURNS deed.permission_level
  LANGUAGE c STABLE STRICT PARALLEL SAFE COST 200
  AS 'MODULE_PATHNAME', 'deed_effective_level_0_2';

CREATE OR REPLACE FUNCTION deed.list_documents(
    principal uuid,
    level deed.permission_level DEFAULT 'viewer',
    sort deed.document_sort DEFAULT 'last_modified',
    after text DEFAULT NULL,
    page_size integer DEFAULT 50)
  RETURNS TABLE (document_id uuid, level deed.permission_level, title text,
    created_at timestamptz, created_by uuid,
    last_modified timestamptz, last_modified_by uuid, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp
  AS 'MODULE_PATHNAME', 'deed_list_documents_0_2';

CREATE OR REPLACE FUNCTION deed.list_permissions(
    document uuid, after text DEFAULT NULL, page_size integer DEFAULT 50)
  RETURNS TABLE (recipient_id uuid, recipient_type deed.permission_recipient,
    name text, description text, level deed.permission_level,
    granted_by uuid, granted_at timestamptz, expires_at timestamptz, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp
  AS 'MODULE_PATHNAME', 'deed_list_permissions_0_2';

COMMENT ON FUNCTION deed.list_permissions(uuid, text, integer) IS
  'The permissions on the document that are neither revoked nor expired and whose recipient is not removed, by recipient. page_size is 1 to 1000; after is the cursor of the last row seen.';

CREATE FUNCTION deed.list_principals(
    document uuid,
    level deed.permission_level DEFAULT 'viewer',
    after text DEFAULT NULL,
    page_size integer DEFAULT 50)
  RETURNS TABLE (principal_id uuid, recipient_type deed.permission_recipient,
    name text, description text, level deed.permission_level, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp
  AS 'MODULE_PATHNAME', 'deed_list_principals_0_2';

COMMENT ON FUNCTION deed.list_principals(uuid, deed.permission_level, text, integer) IS
  'Who holds at least this level on the document, by id, with the level it holds: principals that are no groups, reached by name, link or group; everyone and users as themselves. page_size is 1 to 1000; after is the cursor of the last row seen.';

CREATE FUNCTION deed.list_members(
    group_id uuid, after text DEFAULT NULL, page_size integer DEFAULT 50)
  RETURNS TABLE (member_id uuid, recipient_type deed.permission_recipient, name text, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp
  AS 'MODULE_PATHNAME', 'deed_list_members_0_2';

COMMENT ON FUNCTION deed.list_members(uuid, text, integer) IS
  'The direct members of the group that are not removed, by id; none of a removed group. page_size is 1 to 1000; after is the cursor of the last row seen.';

CREATE FUNCTION deed.list_deleted(
    principal uuid, after text DEFAULT NULL, page_size integer DEFAULT 50)
  RETURNS TABLE (document_id uuid, title text, created_at timestamptz, created_by uuid,
    last_modified timestamptz, last_modified_by uuid,
    deleted_at timestamptz, deleted_by uuid, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp
  AS 'MODULE_PATHNAME', 'deed_list_deleted_0_2';

COMMENT ON FUNCTION deed.list_deleted(uuid, text, integer) IS
  'The documents in the trash that the principal would own again if they were restored, last deleted first. page_size is 1 to 1000; after is the cursor of the last row seen.';

CREATE OR REPLACE FUNCTION deed.apply(event jsonb) RETURNS deed.apply_outcome
  LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER COST 10000
  SET search_path = pg_catalog, pg_temp
  AS 'MODULE_PATHNAME', 'deed_apply_0_2';

CREATE OR REPLACE FUNCTION deed.apply_batch(
    consumer_group text, topic text, partition integer, epoch bigint,
    continues_from bigint, next_offset bigint,
    offsets bigint[], timestamps bigint[], keys bytea[],
    header_counts integer[], header_names bytea[], header_values bytea[],
    payloads bytea[])
  RETURNS TABLE (type text, outcome deed.apply_outcome, events bigint)
  LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER COST 100000 ROWS 10
  SET search_path = pg_catalog, pg_temp
  AS 'MODULE_PATHNAME', 'deed_apply_batch_0_2';

CREATE FUNCTION deed.redrive(ids bigint[])
  RETURNS TABLE (id bigint, outcome deed.apply_outcome, reason text)
  LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER COST 100000 ROWS 100
  SET search_path = pg_catalog, pg_temp
  AS 'MODULE_PATHNAME', 'deed_redrive_0_2';

COMMENT ON FUNCTION deed.redrive(bigint[]) IS
  'Applies quarantined records once more, as one batch. What can be read now leaves quarantine, for any order gives the same answer; what can''t be stays there with its reason. Ids that are not there give no row.';

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

REVOKE ALL ON FUNCTION
  deed.list_principals(uuid, deed.permission_level, text, integer),
  deed.list_members(uuid, text, integer),
  deed.list_deleted(uuid, text, integer),
  deed.redrive(bigint[])
FROM PUBLIC;
REVOKE ALL ON deed.membership, deed.listing, deed.closure, deed.closure_lock, deed.live_edge,
  deed.orphaned_documents FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('deed.membership', '');
SELECT pg_catalog.pg_extension_config_dump('deed.listing', '');
SELECT pg_catalog.pg_extension_config_dump('deed.closure', '');
