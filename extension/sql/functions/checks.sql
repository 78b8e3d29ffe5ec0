-- Checks. They read indexes directly, under the calling statement's snapshot, and write
-- nothing. Reading an index passes neither grants nor row security on the tables: EXECUTE is the
-- permission. Costs are in units of cpu_operator_cost: docs/PERFORMANCE.md has the measured ones.

CREATE FUNCTION deed.has_permission(principal uuid, document uuid, level deed.permission_level)
  RETURNS boolean
  LANGUAGE c STABLE STRICT PARALLEL SAFE COST 200
  AS 'MODULE_PATHNAME', 'deed_has_permission_0_2';
COMMENT ON FUNCTION deed.has_permission(uuid, uuid, deed.permission_level) IS
  'Whether the principal holds at least this level on the document: by name, through groups and links that it took over, through everyone or users. An unknown document or a removed principal gives false.';

CREATE FUNCTION deed.effective_level(principal uuid, document uuid)
  RETURNS deed.permission_level
  LANGUAGE c STABLE STRICT PARALLEL SAFE COST 200
  AS 'MODULE_PATHNAME', 'deed_effective_level_0_2';
COMMENT ON FUNCTION deed.effective_level(uuid, uuid) IS
  'The level that the principal holds on the document, or null.';

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
