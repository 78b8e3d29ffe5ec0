-- From 0.2.0 to 0.3.0: checks and lists read other indexes, and ask for the current principal or for
-- many documents; each principal says whether others hold through it.
--
-- Nobody can ask or apply while the indexes are built. Checks of a session that still runs 0.2.0's library
-- fail with PD020 afterwards, for the indexes that it reads are not there any more, and its applying with
-- 42883. A batch that it has begun fails with 23502 if it is about principals; what it writes of documents alone
-- is what this version writes too. They never answer or write by older rules.

-- Nothing here may revoke from, or grant on, what 0.2.0 made: inside an extension's script that would
-- make the roles' present grants part of the extension, and pg_dump would leave them out.

-- Applying locks documents before principals, checks the other way round, so there is no order in which this
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
      LOCK TABLE deed.document, deed.principal, deed.permission, deed.listing, deed.membership
        IN ACCESS EXCLUSIVE MODE;
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

ALTER TABLE deed.permission
  DROP CONSTRAINT permission_pkey,
  ADD PRIMARY KEY (document_id, recipient_id) INCLUDE (level, expires_at);

DROP INDEX deed.permission_by_recipient;
CREATE INDEX permission_by_recipient ON deed.permission (recipient_id, level, document_id)
  INCLUDE (expires_at) WHERE level IS NOT NULL;
COMMENT ON INDEX deed.permission_by_recipient IS
  'Lists: the documents of a recipient by id, and the trash. Checks: many documents at once.';

ALTER TABLE deed.listing SET (autovacuum_vacuum_scale_factor = 0.01);
ALTER TABLE deed.listing DROP CONSTRAINT listing_pkey;
CREATE UNIQUE INDEX listing_newest_first
  ON deed.listing (recipient_id, level, last_modified DESC, document_id DESC) INCLUDE (expires_at);
COMMENT ON INDEX deed.listing_newest_first IS 'Lists: the documents of a recipient, newest first.';
-- Where a publication covers the table, Postgres refuses updates of rows without one.
ALTER TABLE deed.listing REPLICA IDENTITY USING INDEX listing_newest_first;

ALTER TABLE deed.principal ADD COLUMN node boolean NOT NULL DEFAULT false;
ALTER TABLE deed.principal ALTER COLUMN node DROP DEFAULT;
COMMENT ON COLUMN deed.principal.node IS
  'Whether anybody is or was a member of it, or it was promoted: whether its permissions may be others'' too. Derived; it never turns back.';
-- Before the rows change, for an index over rows that have just changed in place would be kept from older
-- transactions, and so from checks in them.
CREATE INDEX principal_node ON deed.principal (id) WHERE node;
COMMENT ON INDEX deed.principal_node IS 'Lists: the groups and links among the recipients of a document.';
UPDATE deed.principal AS p SET node = true
WHERE p.promotion_version IS NOT NULL
  OR EXISTS (SELECT FROM deed.membership AS m WHERE m.group_id = p.id);

CREATE INDEX principal_promoted ON deed.principal (id, promoted_to)
  WHERE promoted_to IS NOT NULL;
COMMENT ON INDEX deed.principal_promoted IS 'Lists: the users that hold what a link is granted.';

ALTER TABLE deed.membership
  DROP CONSTRAINT membership_pkey,
  ADD PRIMARY KEY (group_id, member_id) INCLUDE (removed);

COMMENT ON INDEX deed.closure_by_group IS
  'Applying: whose closure changes with that of a group. Checks: how a principal of many groups reaches one of few recipients.';

CREATE FUNCTION deed.check_many(
    principal uuid, documents uuid[], level deed.permission_level)
  RETURNS TABLE (document_id uuid, allowed boolean)
  LANGUAGE c STABLE PARALLEL SAFE COST 20000 ROWS 100
  AS 'MODULE_PATHNAME', 'deed_check_many_0_3';
COMMENT ON FUNCTION deed.check_many(uuid, uuid[], deed.permission_level) IS
  'Whether the principal holds at least this level on each of the documents, in the order asked. Null for a document that is null; no rows when an argument is.';

-- The same for the current principal. Plain SQL, so that the planner puts the body in the place of
-- the call and nothing of it is left at run time; so callers need EXECUTE on what the body calls
-- too. Not STRICT and without SET, either of which would keep it from being inlined.

CREATE FUNCTION deed.has_permission(document uuid, level deed.permission_level)
  RETURNS boolean
  LANGUAGE sql STABLE PARALLEL SAFE COST 210
  RETURN deed.has_permission(deed.current_principal(), document, level);
COMMENT ON FUNCTION deed.has_permission(uuid, deed.permission_level) IS
  'Whether deed.current_principal() holds at least this level on the document; null, which a row policy takes for false, when there is none.';

CREATE FUNCTION deed.effective_level(document uuid)
  RETURNS deed.permission_level
  LANGUAGE sql STABLE PARALLEL SAFE COST 210
  RETURN deed.effective_level(deed.current_principal(), document);
COMMENT ON FUNCTION deed.effective_level(uuid) IS
  'The level that deed.current_principal() holds on the document, or null; null too when there is none.';

-- Why. A strict function that returns rows has none for a null argument.

CREATE FUNCTION deed.explain_permission(principal uuid, document uuid)
  RETURNS TABLE (level deed.permission_level, counts boolean, reason text,
    recipient_id uuid, recipient_type deed.permission_recipient,
    via uuid[], promoted_from uuid,
    granted_by uuid, granted_at timestamptz, expires_at timestamptz)
  LANGUAGE c STABLE STRICT PARALLEL RESTRICTED SECURITY DEFINER COST 10000 ROWS 10
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_explain_permission_0_3';
COMMENT ON FUNCTION deed.explain_permission(uuid, uuid) IS
  'Each path from the principal to a grant on the document, and whether and why it counts or not: those that count first, then the greater level, then the shorter path; at most 1000. The first row says the effective level, if it counts.';

-- Plans that are kept must not be made for empty tables; applying says which principals are nodes.

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
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_list_documents_0_2';

CREATE OR REPLACE FUNCTION deed.list_principals(
    document uuid,
    level deed.permission_level DEFAULT 'viewer',
    after text DEFAULT NULL,
    page_size integer DEFAULT 50)
  RETURNS TABLE (principal_id uuid, recipient_type deed.permission_recipient,
    name text, description text, level deed.permission_level, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_list_principals_0_2';

CREATE OR REPLACE FUNCTION deed.list_permissions(
    document uuid, after text DEFAULT NULL, page_size integer DEFAULT 50)
  RETURNS TABLE (recipient_id uuid, recipient_type deed.permission_recipient,
    name text, description text, level deed.permission_level,
    granted_by uuid, granted_at timestamptz, expires_at timestamptz, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_list_permissions_0_2';

CREATE OR REPLACE FUNCTION deed.list_members(
    group_id uuid, after text DEFAULT NULL, page_size integer DEFAULT 50)
  RETURNS TABLE (member_id uuid, recipient_type deed.permission_recipient, name text, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_list_members_0_2';

CREATE OR REPLACE FUNCTION deed.list_deleted(
    principal uuid, after text DEFAULT NULL, page_size integer DEFAULT 50)
  RETURNS TABLE (document_id uuid, title text, created_at timestamptz, created_by uuid,
    last_modified timestamptz, last_modified_by uuid,
    deleted_at timestamptz, deleted_by uuid, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_list_deleted_0_2';

CREATE OR REPLACE FUNCTION deed.apply(event jsonb) RETURNS deed.apply_outcome
  LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER COST 10000
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_apply_0_3';

CREATE OR REPLACE FUNCTION deed.apply_batch(
    consumer_group text, topic text, partition integer, epoch bigint,
    continues_from bigint, next_offset bigint,
    offsets bigint[], timestamps bigint[], keys bytea[],
    header_counts integer[], header_names bytea[], header_values bytea[],
    payloads bytea[])
  RETURNS TABLE (type text, outcome deed.apply_outcome, events bigint)
  LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER COST 100000 ROWS 10
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_apply_batch_0_3';

CREATE OR REPLACE FUNCTION deed.redrive(ids bigint[])
  RETURNS TABLE (id bigint, outcome deed.apply_outcome, reason text)
  LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER COST 100000 ROWS 100
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_redrive_0_3';

REVOKE ALL ON FUNCTION deed.has_permission(uuid, deed.permission_level), deed.effective_level(uuid),
  deed.check_many(uuid, uuid[], deed.permission_level), deed.explain_permission(uuid, uuid) FROM PUBLIC;
