-- From 0.2.0 to 0.3.0: checks and lists read other indexes, and ask for the current principal or for
-- many documents.
--
-- Building the indexes locks the tables until the update is done; their contents stay. Checks of a session that still runs 0.2.0's library fail with PD020 afterwards, for
-- the indexes that it reads are not there any more: they never answer otherwise than before.

-- Nothing here may revoke from, or grant on, what 0.2.0 made: inside an extension's script that would
-- make the roles' present grants part of the extension, and pg_dump would leave them out.

-- In the order in which applying locks them, which waits for running batches.
LOCK TABLE deed.document, deed.principal, deed.permission, deed.listing, deed.membership
  IN ACCESS EXCLUSIVE MODE;

ALTER TABLE deed.permission
  DROP CONSTRAINT permission_pkey,
  ADD PRIMARY KEY (document_id, recipient_id) INCLUDE (level, expires_at);

DROP INDEX deed.permission_by_recipient;
CREATE INDEX permission_by_recipient ON deed.permission (recipient_id, level, document_id)
  INCLUDE (expires_at) WHERE level IS NOT NULL;
COMMENT ON INDEX deed.permission_by_recipient IS 'Lists: the documents of a recipient by id, and the trash.';

ALTER TABLE deed.listing DROP CONSTRAINT listing_pkey;
CREATE UNIQUE INDEX listing_newest_first
  ON deed.listing (recipient_id, level, last_modified DESC, document_id DESC) INCLUDE (expires_at);
COMMENT ON INDEX deed.listing_newest_first IS 'Lists: the documents of a recipient, newest first.';

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
  SET search_path = pg_catalog, pg_temp
  AS 'MODULE_PATHNAME', 'deed_explain_permission_0_3';
COMMENT ON FUNCTION deed.explain_permission(uuid, uuid) IS
  'Each path from the principal to a grant on the document, and whether and why it counts or not: those that count first, then the greater level, then the shorter path; at most 1000. The first row says the effective level, if it counts.';

REVOKE ALL ON FUNCTION deed.has_permission(uuid, deed.permission_level), deed.effective_level(uuid),
  deed.check_many(uuid, uuid[], deed.permission_level), deed.explain_permission(uuid, uuid) FROM PUBLIC;
