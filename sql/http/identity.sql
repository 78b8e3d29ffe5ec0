-- Who asks, for whom, and what a request may be. Part of setup.sql.

CREATE OR REPLACE FUNCTION deed_http.role() RETURNS text
  LANGUAGE sql STABLE PARALLEL SAFE
  -- Inside SECURITY DEFINER current_user is the owner.
  RETURN pg_catalog.current_setting('role');
COMMENT ON FUNCTION deed_http.role() IS 'The role that the request runs as.';

CREATE OR REPLACE FUNCTION deed_http.token_principal(headers jsonb, claims jsonb) RETURNS uuid
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  named constant text := claims ->> 'sub';
BEGIN
  -- PostgREST gives claims to a request without a token too: its role.
  IF deed_http.role() = 'deed_anon' AND claims - 'role' = '{}' THEN
    IF headers ->> 'authorization' IS NULL THEN
      RETURN NULL;
    ELSIF headers ->> 'authorization' !~* '^bearer' THEN
      PERFORM deed_http.refuse(401, 'PT401', 'token: expected the header Authorization: Bearer and a JWT');
    END IF;
  END IF;
  -- PostgREST compares both, but only where a token has them.
  IF (claims -> 'aud' OPERATOR(pg_catalog.?) 'deed') IS NOT TRUE THEN
    PERFORM deed_http.refuse(401, 'PT401', 'token: claim aud is missing, expected "deed"');
  ELSIF (pg_catalog.jsonb_typeof(claims -> 'exp') = 'number') IS NOT TRUE THEN
    PERFORM deed_http.refuse(401, 'PT401', 'token: claim exp is missing, expected seconds since 1970');
  ELSIF named IS NULL AND deed_http.role() <> 'deed_service' THEN
    PERFORM deed_http.refuse(401, 'PT401', 'token: claim sub is missing, expected the uuid of a principal');
  ELSIF NOT deed_http.is_uuid(named) THEN
    PERFORM deed_http.refuse(401, 'PT401', 'token: claim sub is wrong, expected the uuid of a principal');
  END IF;
  RETURN named::uuid;
END
$$;
COMMENT ON FUNCTION deed_http.token_principal(jsonb, jsonb) IS
  'The principal of the bearer token, or 401; null without a token, and for a service without sub.';

CREATE OR REPLACE FUNCTION deed_http.link_principal(token text) RETURNS uuid
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  link constant uuid := deed.share_link(token);
BEGIN
  IF token IS NOT NULL AND link IS NULL THEN
    PERFORM deed_http.refuse(401, 'PT401', 'Share-Link: not the token of a share link, or of one that was revoked');
  END IF;
  RETURN link;
END
$$;
COMMENT ON FUNCTION deed_http.link_principal(text) IS
  'The share-link identity of the header Share-Link, or 401; null without the header.';

CREATE OR REPLACE FUNCTION deed_http.require_reading(method text, path text, headers jsonb) RETURNS void
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- PostgREST decodes a path only behind this.
  IF path LIKE '%\%%' THEN
    PERFORM deed_http.refuse(400, 'PT400', 'path: expected letters as they are, not escaped');
  ELSIF path = '/rpc/check_many' AND method <> 'POST' THEN
    PERFORM deed_http.refuse(405, 'PT405', 'expected POST to /rpc/check_many', '{"Allow": "POST"}');
  ELSIF path <> '/rpc/check_many' AND method NOT IN ('GET', 'HEAD') THEN
    PERFORM deed_http.refuse(405, 'PT405', 'expected GET, or POST to /rpc/check_many', '{"Allow": "GET, HEAD"}');
  ELSIF headers ->> 'prefer' ~ 'count\s*=' THEN
    PERFORM deed_http.refuse(400, 'PT400', 'Prefer: nothing is counted, for a count reads all rows');
  ELSIF path LIKE '/rpc/list\_%' AND headers ->> 'range' IS NOT NULL THEN
    PERFORM deed_http.refuse(400, 'PT400', 'Range: page by page_size and the header Link');
  END IF;
END
$$;
COMMENT ON FUNCTION deed_http.require_reading(text, text, jsonb) IS
  'Refuses what would write, count, or cut a page, before PostgREST runs it.';

CREATE OR REPLACE FUNCTION deed_http.identify() RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  headers constant jsonb := nullif(pg_catalog.current_setting('request.headers', true), '');
  claims  constant jsonb := nullif(pg_catalog.current_setting('request.jwt.claims', true), '');
  link    uuid;
  speaker uuid;
BEGIN
  -- A token may name the login itself, which PostgREST need not change its role for.
  IF deed_http.role() NOT IN ('deed_anon', 'deed_user', 'deed_service') THEN
    PERFORM deed_http.refuse(401, 'PT401',
      'token: claim role is wrong, expected deed_anon, deed_user or deed_service');
  END IF;
  PERFORM deed_http.require_reading(pg_catalog.current_setting('request.method', true),
    pg_catalog.current_setting('request.path', true), headers);
  speaker := deed_http.token_principal(headers, claims);
  PERFORM deed_http.wait_for(headers ->> 'deed-position');
  -- Behind the wait, and on a new snapshot: what is waited for may be the link's own token.
  link := deed_http.link_principal(headers ->> 'share-link');
  IF speaker IS NULL AND deed_http.role() <> 'deed_service' THEN
    speaker := coalesce(link, deed.everyone());
  END IF;
  -- Set on every request, to '' too: nothing of an earlier one may stay.
  PERFORM pg_catalog.set_config('deed.principal', coalesce(speaker::text, ''), true),
    pg_catalog.set_config('deed_http.link', coalesce(link::text, ''), true);
  PERFORM deed_http.answer_with('{}');
EXCEPTION WHEN OTHERS THEN
  PERFORM deed_http.hide(SQLSTATE, SQLERRM);
  RAISE;
END
$$;
COMMENT ON FUNCTION deed_http.identify() IS
  'PostgREST''s db-pre-request, a statement of its own before the route: refuses what may not be asked, waits for Deed-Position, and sets deed.principal ('''' for a service without sub) and deed_http.link for the transaction.';

CREATE OR REPLACE FUNCTION deed_http.principal_asked(principal text) RETURNS uuid
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  speaker constant uuid := deed.current_principal();
  asked   constant uuid := CASE WHEN principal IS NULL THEN speaker
    ELSE deed_http.read_uuid('principal', principal) END;
BEGIN
  IF asked IS NULL THEN
    PERFORM deed_http.refuse(400, 'PT400', 'principal: expected a uuid, for the token has no sub');
  ELSIF asked IS DISTINCT FROM speaker AND deed_http.role() <> 'deed_service' THEN
    PERFORM deed_http.refuse(403, 'PT403', 'principal: only a service may ask for another principal');
  END IF;
  RETURN asked;
END
$$;
COMMENT ON FUNCTION deed_http.principal_asked(text) IS
  'The principal that a route answers for: the argument principal, else the caller.';

CREATE OR REPLACE FUNCTION deed_http.link() RETURNS uuid
  LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(pg_catalog.current_setting('deed_http.link', true), '')::uuid;
COMMENT ON FUNCTION deed_http.link() IS 'The share-link identity that the request brought, or null.';

CREATE OR REPLACE FUNCTION deed_http.level(principal uuid, document uuid) RETURNS deed.permission_level
  LANGUAGE sql STABLE PARALLEL SAFE
  RETURN greatest(deed.effective_level(principal, document), deed.effective_level(deed_http.link(), document));
COMMENT ON FUNCTION deed_http.level(uuid, uuid) IS
  'The greater of the levels of the principal and of the request''s share link, or null.';

CREATE OR REPLACE FUNCTION deed_http.require_level(
    asker uuid, document uuid, least_level deed.permission_level, message text) RETURNS void
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  held constant deed.permission_level := deed_http.level(asker, document);
BEGIN
  IF held IS NULL THEN
    PERFORM deed_http.refuse(404, 'PT404', 'document: there is none with this id that the caller can see');
  ELSIF held < least_level THEN
    PERFORM deed_http.refuse(403, 'PT403', message);
  END IF;
END
$$;
COMMENT ON FUNCTION deed_http.require_level(uuid, uuid, deed.permission_level, text) IS
  'Refuses who can''t see the document (404), or holds too low a level on it (403, with the message).';
