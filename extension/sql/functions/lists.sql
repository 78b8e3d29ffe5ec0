-- Lists. A page shorter than page_size is the last; a row's cursor continues behind that row.

CREATE FUNCTION deed.list_documents(
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
COMMENT ON FUNCTION deed.list_documents(uuid, deed.permission_level, deed.document_sort, text, integer) IS
  'The documents on which the principal holds at least this level, with the level it holds. page_size is 1 to 1000; after is the cursor of the last row seen.';

CREATE FUNCTION deed.list_permissions(
    document uuid, after text DEFAULT NULL, page_size integer DEFAULT 50)
  RETURNS TABLE (recipient_id uuid, recipient_type deed.permission_recipient,
    name text, description text, level deed.permission_level,
    granted_by uuid, granted_at timestamptz, expires_at timestamptz, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
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
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_list_principals_0_2';
COMMENT ON FUNCTION deed.list_principals(uuid, deed.permission_level, text, integer) IS
  'Who holds at least this level on the document, by id, with the level it holds: principals that are no groups, reached by name, link or group; everyone and users as themselves. page_size is 1 to 1000; after is the cursor of the last row seen.';

CREATE FUNCTION deed.list_members(
    group_id uuid, after text DEFAULT NULL, page_size integer DEFAULT 50)
  RETURNS TABLE (member_id uuid, recipient_type deed.permission_recipient, name text, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_list_members_0_2';
COMMENT ON FUNCTION deed.list_members(uuid, text, integer) IS
  'The direct members of the group that are not removed, by id; none of a removed group. page_size is 1 to 1000; after is the cursor of the last row seen.';

CREATE FUNCTION deed.list_deleted(
    principal uuid, after text DEFAULT NULL, page_size integer DEFAULT 50)
  RETURNS TABLE (document_id uuid, title text, created_at timestamptz, created_by uuid,
    last_modified timestamptz, last_modified_by uuid,
    deleted_at timestamptz, deleted_by uuid, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_list_deleted_0_2';
COMMENT ON FUNCTION deed.list_deleted(uuid, text, integer) IS
  'The documents in the trash that the principal would own again if they were restored, last deleted first. page_size is 1 to 1000; after is the cursor of the last row seen.';

CREATE FUNCTION deed.document(document uuid)
  RETURNS TABLE (id uuid, title text, metadata jsonb, content jsonb,
    created_at timestamptz, created_by uuid,
    last_modified timestamptz, last_modified_by uuid, deleted_at timestamptz)
  LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 1
  SET search_path = pg_catalog, pg_temp
  BEGIN ATOMIC
    SELECT d.id, d.title, d.metadata, d.content, d.created_at, d.created_by,
      d.last_modified, d.last_modified_by, d.deleted_at
    FROM deed.document AS d
    WHERE d.id = document.document AND d.created_at IS NOT NULL;
  END;
COMMENT ON FUNCTION deed.document(uuid) IS
  'The document, whoever asks and also when it is deleted; no row when it is not created.';
