-- What a principal can see, and its trash. Part of setup.sql.

CREATE OR REPLACE FUNCTION deed_http.list_documents(
    at_least text, sort text, after text, page_size text, principal text)
  RETURNS TABLE (document_id uuid, level text, title text,
    created_at timestamptz, created_by uuid,
    last_modified timestamptz, last_modified_by uuid, cursor text)
  LANGUAGE plpgsql STABLE ROWS 50 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  speaker uuid;
  wanted  deed.permission_level;
  ordered deed.document_sort;
  size    integer;
  n       integer := 0;
BEGIN
  speaker := deed_http.principal_asked(principal);
  wanted := deed_http.read_word('level', at_least, NULL::deed.permission_level);
  ordered := deed_http.read_word('sort', sort, NULL::deed.document_sort);
  size := deed_http.read_page_size(page_size);
  FOR document_id, level, title, created_at, created_by, last_modified, last_modified_by, cursor IN
    SELECT d.* FROM deed.list_documents(speaker, wanted, ordered, after, size) AS d
  LOOP
    n := n + 1;
    RETURN NEXT;
  END LOOP;
  PERFORM deed_http.link_to_next('list_documents', pg_catalog.jsonb_build_object(
    'level', wanted, 'sort', ordered, 'page_size', size, 'principal', principal), n, cursor);
EXCEPTION WHEN OTHERS THEN
  PERFORM deed_http.hide(SQLSTATE, SQLERRM);
  RAISE;
END
$$;
COMMENT ON FUNCTION deed_http.list_documents(text, text, text, text, text) IS 'Answers api.list_documents.';

CREATE OR REPLACE FUNCTION api.list_documents(
    level text DEFAULT 'viewer',
    sort text DEFAULT 'last_modified',
    after text DEFAULT NULL,
    page_size text DEFAULT '50',
    principal text DEFAULT NULL)
  RETURNS TABLE (document_id uuid, level text, title text,
    created_at timestamptz, created_by uuid,
    last_modified timestamptz, last_modified_by uuid, cursor text)
  LANGUAGE sql STABLE SECURITY DEFINER ROWS 50 SET search_path = pg_catalog, pg_temp
AS $$
  SELECT * FROM deed_http.list_documents($1, $2, $3, $4, $5)
$$;
COMMENT ON FUNCTION api.list_documents(text, text, text, text, text) IS
$$The documents that the caller can see

level: at least viewer, editor or owner. sort: last_modified (newest first) or id. page_size: 1 to 1000; a shorter page is the last. after: a row's cursor, for the page behind it, with the same level, sort and principal; the header Link has the whole address of the next page. principal: uuid; a service may name any, others only themselves.$$;

CREATE OR REPLACE FUNCTION api.list_deleted(
    after text DEFAULT NULL,
    page_size text DEFAULT '50',
    principal text DEFAULT NULL)
  RETURNS TABLE (document_id uuid, title text, created_at timestamptz, created_by uuid,
    last_modified timestamptz, last_modified_by uuid,
    deleted_at timestamptz, deleted_by uuid, cursor text)
  LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  speaker uuid;
  size    integer;
  n       integer := 0;
BEGIN
  speaker := deed_http.principal_asked(principal);
  size := deed_http.read_page_size(page_size);
  FOR document_id, title, created_at, created_by, last_modified, last_modified_by,
    deleted_at, deleted_by, cursor IN
    SELECT d.* FROM deed.list_deleted(speaker, after, size) AS d
  LOOP
    n := n + 1;
    RETURN NEXT;
  END LOOP;
  PERFORM deed_http.link_to_next('list_deleted', pg_catalog.jsonb_build_object(
    'page_size', size, 'principal', principal), n, cursor);
EXCEPTION WHEN OTHERS THEN
  PERFORM deed_http.hide(SQLSTATE, SQLERRM);
  RAISE;
END
$$;
COMMENT ON FUNCTION api.list_deleted(text, text, text) IS
$$The caller's trash

Deleted documents that the caller would own again if they were restored, last deleted first. page_size: 1 to 1000; a shorter page is the last. after: a row's cursor, for the page behind it. principal: uuid; a service may name any, others only themselves.$$;
