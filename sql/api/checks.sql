-- Schema api: all that HTTP shows, and nothing else. PostgREST makes its OpenAPI of the comments:
-- the first line is the summary. Part of setup.sql.
--
-- The routes run as deed_api; they answer for the principal that deed_http.identify found, or for
-- the one that a service names. STABLE, so that GET may call them in a read-only transaction.
-- Levels and arguments are text: an enum's name stands in OpenAPI and in its errors.

CREATE SCHEMA IF NOT EXISTS api;
COMMENT ON SCHEMA api IS
$$Deed: who may do what on which document

Permission checks, lists and documents for the principal in the bearer token, or of the share link in the header Share-Link. A hidden, a deleted and an unknown document answer alike. The header Deed-Position waits for one's own write.$$;

CREATE OR REPLACE FUNCTION api.has_permission(document text, level text, principal text DEFAULT NULL)
  RETURNS boolean
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  asked  uuid;
  wanted deed.permission_level;
BEGIN
  -- Not in DECLARE, whose errors pass the handler by.
  asked := deed_http.read_uuid('document', document);
  wanted := deed_http.read_word('level', level, NULL::deed.permission_level);
  RETURN deed.has_permission(deed_http.principal_asked(principal), asked, wanted)
    OR coalesce(deed.has_permission(deed_http.link(), asked, wanted), false);
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
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN deed_http.level(
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

CREATE OR REPLACE FUNCTION api.check_many(documents jsonb, level text, principal text DEFAULT NULL)
  RETURNS TABLE (document_id uuid, allowed boolean)
  LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  speaker uuid;
  asked   uuid[];
  wanted  deed.permission_level;
BEGIN
  speaker := deed_http.principal_asked(principal);
  asked := deed_http.read_uuids('documents', documents);
  wanted := deed_http.read_word('level', level, NULL::deed.permission_level);
  RETURN QUERY
    SELECT c.document_id, c.allowed OR coalesce(c.by_link, false)
    FROM ROWS FROM (
      deed.check_many(speaker, asked, wanted),
      deed.check_many(deed_http.link(), asked, wanted)) AS c (document_id, allowed, same_id, by_link);
EXCEPTION WHEN OTHERS THEN
  PERFORM deed_http.hide(SQLSTATE, SQLERRM);
  RAISE;
END
$$;
COMMENT ON FUNCTION api.check_many(jsonb, text, text) IS
$$Whether the caller holds at least a level on each of many documents

documents: a list of at most 1000 uuids, answered in its order. level: viewer, editor or owner. principal: uuid; a service may name any, others only themselves.$$;

-- Two functions here and below, for the language SQL alone lets an argument and a column share a name,
-- and plpgsql alone can handle an error.
CREATE OR REPLACE FUNCTION deed_http.explain_permission(document text, principal text)
  RETURNS TABLE (level text, counts boolean, reason text, recipient_id uuid, recipient_type text,
    via uuid[], promoted_from uuid, granted_by uuid, granted_at timestamptz, expires_at timestamptz)
  LANGUAGE plpgsql STABLE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  asked     uuid;
  explained uuid;
BEGIN
  asked := deed_http.read_uuid('document', document);
  IF deed_http.role() = 'deed_service' THEN
    explained := deed_http.principal_asked(principal);
    IF NOT EXISTS (SELECT FROM deed.document AS d
        WHERE d.id = asked AND d.created_at IS NOT NULL AND d.deleted_at IS NULL) THEN
      PERFORM deed_http.refuse(404, 'PT404', 'document: there is none with this id');
    END IF;
  ELSE
    explained := CASE WHEN principal IS NULL THEN deed.current_principal()
      ELSE deed_http.read_uuid('principal', principal) END;
    PERFORM deed_http.require_level(deed.current_principal(), asked, 'owner',
      'document: why somebody holds a level on it is for owners');
  END IF;
  RETURN QUERY
    SELECT e.level::text, e.counts, e.reason, e.recipient_id, e.recipient_type::text,
      e.via, e.promoted_from, e.granted_by, e.granted_at, e.expires_at
    FROM deed.explain_permission(explained, asked) AS e;
EXCEPTION WHEN OTHERS THEN
  PERFORM deed_http.hide(SQLSTATE, SQLERRM);
  RAISE;
END
$$;
COMMENT ON FUNCTION deed_http.explain_permission(text, text) IS 'Answers api.explain_permission.';

CREATE OR REPLACE FUNCTION api.explain_permission(document text, principal text DEFAULT NULL)
  RETURNS TABLE (level text, counts boolean, reason text, recipient_id uuid, recipient_type text,
    via uuid[], promoted_from uuid, granted_by uuid, granted_at timestamptz, expires_at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$
  SELECT * FROM deed_http.explain_permission($1, $2)
$$;
COMMENT ON FUNCTION api.explain_permission(text, text) IS
$$Why a principal holds a level on a document, or doesn't

For the document's owners, about any principal, and for services. A row a path, those that count first. document: uuid. principal: uuid; the caller without it. 404 for a document that is hidden, deleted or unknown; 403 where the level is below owner.$$;
