-- Built-in recipients

CREATE FUNCTION deed.everyone() RETURNS uuid
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN '00000000-0000-0000-0000-000000000001'::uuid;
COMMENT ON FUNCTION deed.everyone() IS
  'The built-in recipient that every principal is in, visitors without identity included.';

CREATE FUNCTION deed.users() RETURNS uuid
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN '00000000-0000-0000-0000-000000000002'::uuid;
COMMENT ON FUNCTION deed.users() IS
  'The built-in recipient that every registered, active user is in.';

CREATE FUNCTION deed.current_principal() RETURNS uuid
  LANGUAGE sql STABLE PARALLEL SAFE
  RETURN coalesce(
    nullif(pg_catalog.current_setting('deed.principal', true), '')::uuid,
    (nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid);
COMMENT ON FUNCTION deed.current_principal() IS
  'The principal that this session speaks for: the setting deed.principal, else the claim sub of request.jwt.claims. A claim of the session itself: whoever runs free SQL can be anyone.';

-- Checks. They read two indexes directly, under the calling statement's snapshot, and write
-- nothing. Reading an index passes neither grants nor row security on the tables: EXECUTE is the
-- permission. Costs are in units of cpu_operator_cost, from the probe's measured time.

CREATE FUNCTION deed.has_permission(principal uuid, document uuid, level deed.permission_level)
  RETURNS boolean
  LANGUAGE c STABLE STRICT PARALLEL SAFE COST 60
  AS 'MODULE_PATHNAME', 'deed_has_permission';
COMMENT ON FUNCTION deed.has_permission(uuid, uuid, deed.permission_level) IS
  'Whether the principal holds at least this level on the document. Unknown documents and principals give false.';

CREATE FUNCTION deed.effective_level(principal uuid, document uuid)
  RETURNS deed.permission_level
  LANGUAGE c STABLE STRICT PARALLEL SAFE COST 60
  AS 'MODULE_PATHNAME', 'deed_effective_level';
COMMENT ON FUNCTION deed.effective_level(uuid, uuid) IS
  'The level that the principal holds on the document, or null.';

-- Lists

CREATE FUNCTION deed.list_documents(
    principal uuid,
    level deed.permission_level DEFAULT 'viewer',
    sort deed.document_sort DEFAULT 'last_modified',
    after text DEFAULT NULL,
    page_size integer DEFAULT 50)
  RETURNS TABLE (document_id uuid, level deed.permission_level, title text,
    created_at timestamptz, created_by uuid,
    last_modified timestamptz, last_modified_by uuid, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER ROWS 50 COST 1000
  SET search_path = pg_catalog, pg_temp
  AS 'MODULE_PATHNAME', 'deed_list_documents';

CREATE FUNCTION deed.list_permissions(
    document uuid, after text DEFAULT NULL, page_size integer DEFAULT 50)
  RETURNS TABLE (recipient_id uuid, recipient_type deed.permission_recipient,
    name text, description text, level deed.permission_level,
    granted_by uuid, granted_at timestamptz, expires_at timestamptz, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER ROWS 50 COST 1000
  SET search_path = pg_catalog, pg_temp
  AS 'MODULE_PATHNAME', 'deed_list_permissions';
COMMENT ON FUNCTION deed.list_permissions(uuid, text, integer) IS
  'The permissions on a document that are neither revoked nor expired, by recipient. A page shorter than page_size (1 to 1000) is the last; a row''s cursor, given as after, continues behind it.';
