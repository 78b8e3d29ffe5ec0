-- Who has access: for the share dialog. Part of setup.sql.

CREATE OR REPLACE FUNCTION api.list_permissions(
    document text,
    after text DEFAULT NULL,
    page_size text DEFAULT '50',
    principal text DEFAULT NULL)
  RETURNS TABLE (recipient_id uuid, recipient_type text, name text, description text, level text,
    granted_by uuid, granted_at timestamptz, expires_at timestamptz, cursor text)
  LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  asked uuid;
  size  integer;
  n     integer := 0;
BEGIN
  asked := deed_http.read_uuid('document', document);
  size := deed_http.read_page_size(page_size);
  PERFORM deed_http.require_level(deed_http.principal_asked(principal), asked, 'editor',
    'document: its permissions are for editors and owners');
  FOR recipient_id, recipient_type, name, description, level, granted_by, granted_at, expires_at, cursor IN
    SELECT p.* FROM deed.list_permissions(asked, after, size) AS p
  LOOP
    n := n + 1;
    RETURN NEXT;
  END LOOP;
  PERFORM deed_http.link_to_next('list_permissions', pg_catalog.jsonb_build_object(
    'document', asked, 'page_size', size, 'principal', principal), n, cursor);
EXCEPTION WHEN OTHERS THEN
  PERFORM deed_http.hide(SQLSTATE, SQLERRM);
  RAISE;
END
$$;
COMMENT ON FUNCTION api.list_permissions(text, text, text, text) IS
$$The permissions on a document

For its editors and owners: who holds which level, by whom and until when; by recipient id. document: uuid. page_size: 1 to 1000; a shorter page is the last. after: a row's cursor, for the page behind it. principal: uuid; a service may name any, others only themselves. 404 for a document that is hidden, deleted or unknown; 403 where the level is below editor.$$;

CREATE OR REPLACE FUNCTION deed_http.list_principals(
    document text, at_least text, after text, page_size text, principal text)
  RETURNS TABLE (principal_id uuid, recipient_type text, name text, description text, level text, cursor text)
  LANGUAGE plpgsql STABLE ROWS 50 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  asked  uuid;
  wanted deed.permission_level;
  size   integer;
  n      integer := 0;
BEGIN
  asked := deed_http.read_uuid('document', document);
  wanted := deed_http.read_word('level', at_least, NULL::deed.permission_level);
  size := deed_http.read_page_size(page_size);
  PERFORM deed_http.require_level(deed_http.principal_asked(principal), asked, 'editor',
    'document: who has access to it is for editors and owners');
  FOR principal_id, recipient_type, name, description, level, cursor IN
    SELECT p.* FROM deed.list_principals(asked, wanted, after, size) AS p
  LOOP
    n := n + 1;
    RETURN NEXT;
  END LOOP;
  PERFORM deed_http.link_to_next('list_principals', pg_catalog.jsonb_build_object(
    'document', asked, 'level', wanted, 'page_size', size, 'principal', principal), n, cursor);
EXCEPTION WHEN OTHERS THEN
  PERFORM deed_http.hide(SQLSTATE, SQLERRM);
  RAISE;
END
$$;
COMMENT ON FUNCTION deed_http.list_principals(text, text, text, text, text) IS 'Answers api.list_principals.';

CREATE OR REPLACE FUNCTION api.list_principals(
    document text,
    level text DEFAULT 'viewer',
    after text DEFAULT NULL,
    page_size text DEFAULT '50',
    principal text DEFAULT NULL)
  RETURNS TABLE (principal_id uuid, recipient_type text, name text, description text, level text, cursor text)
  LANGUAGE sql STABLE SECURITY DEFINER ROWS 50 SET search_path = pg_catalog, pg_temp
AS $$
  SELECT * FROM deed_http.list_principals($1, $2, $3, $4, $5)
$$;
COMMENT ON FUNCTION api.list_principals(text, text, text, text, text) IS
$$Who has access to a document

For its editors and owners: everybody who is reached by name, link or group, with the level held; everyone and users as themselves; by id. document: uuid. level: at least viewer, editor or owner. page_size: 1 to 1000; a shorter page is the last. after: a row's cursor, for the page behind it. principal: uuid; a service may name any, others only themselves. 404 for a document that is hidden, deleted or unknown; 403 where the level is below editor.$$;

CREATE OR REPLACE FUNCTION api.list_members(
    group_id text,
    after text DEFAULT NULL,
    page_size text DEFAULT '50',
    principal text DEFAULT NULL)
  RETURNS TABLE (member_id uuid, recipient_type text, name text, cursor text)
  LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  asked uuid;
  size  integer;
  n     integer := 0;
BEGIN
  IF deed_http.role() <> 'deed_service' THEN
    PERFORM deed_http.refuse(403, 'PT403', 'group_id: the members of groups are for services');
  END IF;
  -- Every route takes a principal; the members are the same for all.
  IF principal IS NOT NULL THEN
    PERFORM deed_http.read_uuid('principal', principal);
  END IF;
  asked := deed_http.read_uuid('group_id', group_id);
  size := deed_http.read_page_size(page_size);
  FOR member_id, recipient_type, name, cursor IN
    SELECT m.* FROM deed.list_members(asked, after, size) AS m
  LOOP
    n := n + 1;
    RETURN NEXT;
  END LOOP;
  PERFORM deed_http.link_to_next('list_members', pg_catalog.jsonb_build_object(
    'group_id', asked, 'page_size', size, 'principal', principal), n, cursor);
EXCEPTION WHEN OTHERS THEN
  PERFORM deed_http.hide(SQLSTATE, SQLERRM);
  RAISE;
END
$$;
COMMENT ON FUNCTION api.list_members(text, text, text, text) IS
$$The direct members of a group

For services, by member id. group_id: uuid. page_size: 1 to 1000; a shorter page is the last. after: a row's cursor, for the page behind it. principal: taken as by the other routes; the members are the same for all.$$;
