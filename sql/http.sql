-- Schema deed_http: what stands between PostgREST and the routes of schema api. It is not exposed,
-- for each function of an exposed schema is a route. Part of setup.sql.
--
-- An answer's status is its SQLSTATE: PT400 is 400 and so on. PostgREST also writes the message
-- of a PT error into the status line, so a message never repeats what the caller sent.

CREATE SCHEMA IF NOT EXISTS deed_http;
COMMENT ON SCHEMA deed_http IS 'Deed over HTTP: identity, arguments and errors of the routes in schema api.';

-- Identity

-- Stricter than the type's own input on purpose: one spelling of an id.
CREATE OR REPLACE FUNCTION deed_http.is_uuid(value text) RETURNS boolean
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN value ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$';
COMMENT ON FUNCTION deed_http.is_uuid(text) IS 'Whether a text is a uuid in its usual form.';

CREATE OR REPLACE FUNCTION deed_http.identify() RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
  -- Inside SECURITY DEFINER current_user is the owner.
  caller  constant text := pg_catalog.current_setting('role');
  headers constant jsonb := nullif(pg_catalog.current_setting('request.headers', true), '');
  claims  constant jsonb := nullif(pg_catalog.current_setting('request.jwt.claims', true), '');
  speaker text;
BEGIN
  -- A token may name the login itself, which PostgREST need not change its role for.
  IF caller NOT IN ('deed_anon', 'deed_user', 'deed_service') THEN
    RAISE EXCEPTION USING ERRCODE = 'PT401',
      MESSAGE = 'token: claim role is wrong, expected deed_anon, deed_user or deed_service';
  END IF;
  -- PostgREST gives claims to a request without a token too: its role.
  IF caller = 'deed_anon' AND (headers ->> 'authorization' ~* '^bearer') IS NOT TRUE THEN
    speaker := deed.everyone();
  ELSE
    -- PostgREST compares both, but only where a token has them.
    IF (claims -> 'aud' OPERATOR(pg_catalog.?) 'deed') IS NOT TRUE THEN
      RAISE EXCEPTION USING ERRCODE = 'PT401',
        MESSAGE = 'token: claim aud is missing, expected "deed"';
    END IF;
    IF (pg_catalog.jsonb_typeof(claims -> 'exp') = 'number') IS NOT TRUE THEN
      RAISE EXCEPTION USING ERRCODE = 'PT401',
        MESSAGE = 'token: claim exp is missing, expected seconds since 1970';
    END IF;
    speaker := claims ->> 'sub';
    IF speaker IS NULL THEN
      IF caller <> 'deed_service' THEN
        RAISE EXCEPTION USING ERRCODE = 'PT401',
          MESSAGE = 'token: claim sub is missing, expected the uuid of a principal';
      END IF;
    ELSIF NOT deed_http.is_uuid(speaker) THEN
      RAISE EXCEPTION USING ERRCODE = 'PT401',
        MESSAGE = 'token: claim sub is wrong, expected the uuid of a principal';
    END IF;
  END IF;
  -- Set on every request, to '' too: nothing of an earlier one may stay.
  PERFORM pg_catalog.set_config('deed.principal', coalesce(speaker, ''), true);
END
$$;
COMMENT ON FUNCTION deed_http.identify() IS
  'PostgREST''s db-pre-request: refuses an incomplete token and sets deed.principal for the transaction; '''' for a service without sub.';

CREATE OR REPLACE FUNCTION deed_http.principal_asked(principal text) RETURNS uuid
  LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
  speaker constant uuid := deed.current_principal();
  asked   constant uuid := CASE WHEN principal IS NULL THEN speaker
    ELSE deed_http.read_uuid('principal', principal) END;
BEGIN
  IF asked IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'PT400',
      MESSAGE = 'principal: expected a uuid, for the token has no sub';
  END IF;
  IF asked IS DISTINCT FROM speaker AND pg_catalog.current_setting('role') <> 'deed_service' THEN
    RAISE EXCEPTION USING ERRCODE = 'PT403',
      MESSAGE = 'principal: only a service may ask for another principal';
  END IF;
  RETURN asked;
END
$$;
COMMENT ON FUNCTION deed_http.principal_asked(text) IS
  'The principal that a route answers for: the argument principal, else the caller.';

-- Arguments. They arrive as text, or the type's own error would answer without the argument's name.

CREATE OR REPLACE FUNCTION deed_http.read_uuid(argument text, value text) RETURNS uuid
  LANGUAGE plpgsql IMMUTABLE SET search_path = ''
AS $$
BEGIN
  IF deed_http.is_uuid(value) IS NOT TRUE THEN
    RAISE EXCEPTION USING ERRCODE = 'PT400', MESSAGE = argument || ': expected a uuid';
  END IF;
  RETURN value::uuid;
END
$$;
COMMENT ON FUNCTION deed_http.read_uuid(text, text) IS 'An argument as a uuid, or 400.';

CREATE OR REPLACE FUNCTION deed_http.read_word(argument text, value text, kind anyenum) RETURNS anyenum
  LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
DECLARE
  words constant text[] := pg_catalog.enum_range(kind)::text[];
BEGIN
  IF (value = ANY (words)) IS NOT TRUE THEN
    RAISE EXCEPTION USING ERRCODE = 'PT400',
      MESSAGE = argument || ': expected one of ' || pg_catalog.array_to_string(words, ', ');
  END IF;
  RETURN value;
END
$$;
COMMENT ON FUNCTION deed_http.read_word(text, text, anyenum) IS
  'An argument as a value of the enum of kind, which may be null, or 400.';

CREATE OR REPLACE FUNCTION deed_http.read_page_size(value text) RETURNS integer
  LANGUAGE plpgsql IMMUTABLE SET search_path = ''
AS $$
BEGIN
  -- The list itself knows the bounds; nine digits are within an integer's.
  IF (value ~ '^[0-9]{1,9}$') IS NOT TRUE THEN
    RAISE EXCEPTION USING ERRCODE = 'PT400', MESSAGE = 'page_size: expected a whole number from 1 to 1000';
  END IF;
  RETURN value::integer;
END
$$;
COMMENT ON FUNCTION deed_http.read_page_size(text) IS 'The argument page_size as a number, or 400.';

-- Errors

CREATE OR REPLACE FUNCTION deed_http.hide(state text, message text) RETURNS void
  LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
BEGIN
  -- Made for the caller: the routes' own answers, a wrong cursor and a wrong page size.
  IF state LIKE 'PT___' OR state IN ('PD003', 'PD004') THEN
    RETURN;
  END IF;
  RAISE LOG 'deed: a route failed with SQLSTATE %: %', state, message;
  RAISE EXCEPTION USING ERRCODE = 'PT500',
    MESSAGE = 'the question could not be answered; the database log says why';
END
$$;
COMMENT ON FUNCTION deed_http.hide(text, text) IS
  'For a route''s exception handler, before its RAISE: an error that is not made for the caller goes to the database log, and the caller gets 500.';

-- Plpgsql lets no argument share its name with a column, and level is both in the route.
CREATE OR REPLACE FUNCTION deed_http.list_documents(
    at_least text, sort text, after text, page_size text, principal text)
  RETURNS TABLE (document_id uuid, level text, title text,
    created_at timestamptz, created_by uuid,
    last_modified timestamptz, last_modified_by uuid, cursor text)
  LANGUAGE plpgsql STABLE SET search_path = ''
AS $$
BEGIN
  RETURN QUERY
    SELECT d.document_id, d.level::text, d.title, d.created_at, d.created_by,
      d.last_modified, d.last_modified_by, d.cursor
    FROM deed.list_documents(
      deed_http.principal_asked(list_documents.principal),
      deed_http.read_word('level', at_least, NULL::deed.permission_level),
      deed_http.read_word('sort', sort, NULL::deed.document_sort),
      after,
      deed_http.read_page_size(list_documents.page_size)) AS d;
EXCEPTION WHEN OTHERS THEN
  PERFORM deed_http.hide(SQLSTATE, SQLERRM);
  RAISE;
END
$$;
COMMENT ON FUNCTION deed_http.list_documents(text, text, text, text, text) IS 'Answers api.list_documents.';

-- deed_api owns all of it, so that no route runs with more rights than it needs; callers reach
-- identify alone.
ALTER FUNCTION deed_http.is_uuid(text) OWNER TO deed_api;
ALTER FUNCTION deed_http.identify() OWNER TO deed_api;
ALTER FUNCTION deed_http.principal_asked(text) OWNER TO deed_api;
ALTER FUNCTION deed_http.read_uuid(text, text) OWNER TO deed_api;
ALTER FUNCTION deed_http.read_word(text, text, anyenum) OWNER TO deed_api;
ALTER FUNCTION deed_http.read_page_size(text) OWNER TO deed_api;
ALTER FUNCTION deed_http.hide(text, text) OWNER TO deed_api;
ALTER FUNCTION deed_http.list_documents(text, text, text, text, text) OWNER TO deed_api;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA deed_http FROM PUBLIC;
-- The login itself may run identify, to be refused by it.
GRANT USAGE ON SCHEMA deed_http
  TO deed_anon, deed_user, deed_service, deed_api, deed_authenticator;
GRANT EXECUTE ON FUNCTION deed_http.identify()
  TO deed_anon, deed_user, deed_service, deed_authenticator;
