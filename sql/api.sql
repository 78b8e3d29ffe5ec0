-- Schema api: all that HTTP shows, and nothing else. PostgREST makes its OpenAPI of the comments:
-- the first line is the summary. Part of setup.sql.
--
-- The routes run as deed_api; they answer for the principal that deed_http.identify found, or for
-- the one that a service names. STABLE, so that GET may call them in a read-only transaction.
-- Levels and arguments are text: an enum's name stands in OpenAPI and in its errors.

CREATE SCHEMA IF NOT EXISTS api;
COMMENT ON SCHEMA api IS
$$Deed: who may do what on which document

Permission checks, lists and documents for the principal in the bearer token. A hidden, a deleted and an unknown document answer alike.$$;

CREATE OR REPLACE FUNCTION api.has_permission(document text, level text, principal text DEFAULT NULL)
  RETURNS boolean
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
  RETURN deed.has_permission(
    deed_http.principal_asked(principal),
    deed_http.read_uuid('document', document),
    deed_http.read_word('level', level, NULL::deed.permission_level));
EXCEPTION WHEN OTHERS THEN
  PERFORM deed_http.hide(SQLSTATE, SQLERRM);
  RAISE;
END
$$;
COMMENT ON FUNCTION api.has_permission(text, text, text) IS
$$Whether the caller holds at least a level on a document

document: uuid. level: viewer, editor or owner. principal: uuid; a service may name any, others only themselves. False also for a document that is hidden, deleted or unknown.$$;

CREATE OR REPLACE FUNCTION api.effective_level(document text, principal text DEFAULT NULL)
  RETURNS text
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
  RETURN deed.effective_level(
    deed_http.principal_asked(principal),
    deed_http.read_uuid('document', document));
EXCEPTION WHEN OTHERS THEN
  PERFORM deed_http.hide(SQLSTATE, SQLERRM);
  RAISE;
END
$$;
COMMENT ON FUNCTION api.effective_level(text, text) IS
$$The level that the caller holds on a document

document: uuid. principal: uuid; a service may name any, others only themselves. The answer is viewer, editor, owner or null; null also for a document that is hidden, deleted or unknown.$$;

CREATE OR REPLACE FUNCTION api.list_documents(
    level text DEFAULT 'viewer',
    sort text DEFAULT 'last_modified',
    after text DEFAULT NULL,
    page_size text DEFAULT '50',
    principal text DEFAULT NULL)
  RETURNS TABLE (document_id uuid, level text, title text,
    created_at timestamptz, created_by uuid,
    last_modified timestamptz, last_modified_by uuid, cursor text)
  LANGUAGE sql STABLE SECURITY DEFINER ROWS 50 SET search_path = ''
AS $$
  SELECT * FROM deed_http.list_documents($1, $2, $3, $4, $5)
$$;
COMMENT ON FUNCTION api.list_documents(text, text, text, text, text) IS
$$The documents that the caller can see

level: at least viewer, editor or owner. sort: last_modified (newest first) or id. page_size: 1 to 1000; a shorter page is the last. after: a row's cursor, for the page behind it, with the same level, sort and principal. principal: uuid; a service may name any, others only themselves.$$;

CREATE OR REPLACE FUNCTION api.list_permissions(
    document text,
    after text DEFAULT NULL,
    page_size text DEFAULT '50',
    principal text DEFAULT NULL)
  RETURNS TABLE (recipient_id uuid, recipient_type text, name text, description text, level text,
    granted_by uuid, granted_at timestamptz, expires_at timestamptz, cursor text)
  LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50 SET search_path = ''
AS $$
DECLARE
  asked uuid;
  held  deed.permission_level;
BEGIN
  -- Not in DECLARE, whose errors pass the handler by.
  asked := deed_http.read_uuid('document', document);
  held := deed.effective_level(deed_http.principal_asked(principal), asked);
  IF held IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'PT404',
      MESSAGE = 'document: there is none with this id that the caller can see';
  ELSIF held < 'editor' THEN
    RAISE EXCEPTION USING ERRCODE = 'PT403',
      MESSAGE = 'document: its permissions are for editors and owners';
  END IF;
  RETURN QUERY
    SELECT p.recipient_id, p.recipient_type::text, p.name, p.description, p.level::text,
      p.granted_by, p.granted_at, p.expires_at, p.cursor
    FROM deed.list_permissions(asked, after, deed_http.read_page_size(page_size)) AS p;
EXCEPTION WHEN OTHERS THEN
  PERFORM deed_http.hide(SQLSTATE, SQLERRM);
  RAISE;
END
$$;
COMMENT ON FUNCTION api.list_permissions(text, text, text, text) IS
$$The permissions on a document

For its editors and owners: who holds which level, by whom and until when; by recipient id. document: uuid. page_size: 1 to 1000; a shorter page is the last. after: a row's cursor, for the page behind it. principal: uuid; a service may name any, others only themselves. 404 for a document that is hidden, deleted or unknown; 403 where the level is below editor.$$;

-- A function in a view needs the caller's EXECUTE, so the view asks the routes. It stays a view
-- of one table: a write then meets the missing grant and not a lecture on rules and triggers.
CREATE OR REPLACE VIEW api.documents WITH (security_barrier = true) AS
SELECT d.id, d.title, d.metadata, d.content,
  CASE WHEN pg_catalog.current_setting('deed.principal', true) <> ''
    THEN api.effective_level(d.id::text) END AS level,
  d.created_at, d.created_by, d.last_modified, d.last_modified_by
FROM deed.document AS d
WHERE d.created_at IS NOT NULL AND d.deleted_at IS NULL
  AND CASE WHEN pg_catalog.current_setting('role') = 'deed_service'
    THEN true ELSE api.has_permission(d.id::text, 'viewer') END;
COMMENT ON VIEW api.documents IS
$$Documents that the caller can see

Made for reads by id (id=eq.…). Without an id every document is tried, until the statement timeout. A service sees all that are not deleted.$$;
COMMENT ON COLUMN api.documents.id IS 'The document';
COMMENT ON COLUMN api.documents.title IS 'Title, or null';
COMMENT ON COLUMN api.documents.metadata IS 'Object as last sent by its producer, or null';
COMMENT ON COLUMN api.documents.content IS 'Any JSON as last sent by its producer, or null';
COMMENT ON COLUMN api.documents.level IS 'What the caller holds: viewer, editor or owner; null for a service without sub';
COMMENT ON COLUMN api.documents.created_at IS 'When it was created';
COMMENT ON COLUMN api.documents.created_by IS 'Principal that created it';
COMMENT ON COLUMN api.documents.last_modified IS 'When title, metadata or content last changed';
COMMENT ON COLUMN api.documents.last_modified_by IS 'Principal that made that change';

ALTER FUNCTION api.has_permission(text, text, text) OWNER TO deed_api;
ALTER FUNCTION api.effective_level(text, text) OWNER TO deed_api;
ALTER FUNCTION api.list_documents(text, text, text, text, text) OWNER TO deed_api;
ALTER FUNCTION api.list_permissions(text, text, text, text) OWNER TO deed_api;
ALTER VIEW api.documents OWNER TO deed_api;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA api FROM PUBLIC;
GRANT USAGE ON SCHEMA api TO deed_anon, deed_user, deed_service;
GRANT EXECUTE ON FUNCTION
  api.has_permission(text, text, text),
  api.effective_level(text, text),
  api.list_documents(text, text, text, text, text),
  api.list_permissions(text, text, text, text)
TO deed_anon, deed_user, deed_service;
GRANT SELECT ON api.documents TO deed_anon, deed_user, deed_service;
