-- Schema deed_http: what stands between PostgREST and the routes of schema api. It is not exposed,
-- for each function of an exposed schema is a route. Part of setup.sql.

CREATE SCHEMA IF NOT EXISTS deed_http;
COMMENT ON SCHEMA deed_http IS 'Deed over HTTP: identity, freshness, arguments and answers of the routes in schema api.';

-- Answers

CREATE OR REPLACE FUNCTION deed_http.headers() RETURNS jsonb
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN '{"Cache-Control": "private, no-store", "Access-Control-Expose-Headers": "Link, Retry-After"}'::jsonb;
COMMENT ON FUNCTION deed_http.headers() IS
  'The headers of every answer: nobody keeps it, and a page of another origin may read how to go on.';

CREATE OR REPLACE FUNCTION deed_http.answer_with(more jsonb) RETURNS void
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM pg_catalog.set_config('response.headers', (
    SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(h.key, h.value))::text
    FROM pg_catalog.jsonb_each_text(deed_http.headers() || more) AS h), true);
END
$$;
COMMENT ON FUNCTION deed_http.answer_with(jsonb) IS
  'Gives the answer the usual headers, and more of them by name.';

CREATE OR REPLACE FUNCTION deed_http.link_to_next(route text, arguments jsonb, rows integer, cursor text) RETURNS void
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  query constant text := (
    SELECT pg_catalog.string_agg(a.key || '=' || a.value, '&')
    FROM pg_catalog.jsonb_each_text(
      pg_catalog.jsonb_strip_nulls(arguments) || pg_catalog.jsonb_build_object('after', cursor)) AS a);
BEGIN
  IF rows = (arguments ->> 'page_size')::integer THEN
    PERFORM deed_http.answer_with(pg_catalog.jsonb_build_object(
      'Link', '<' || route || '?' || query || '>; rel="next"'));
  END IF;
END
$$;
COMMENT ON FUNCTION deed_http.link_to_next(text, jsonb, integer, text) IS
  'Adds the header Link to the page behind this cursor, if this page is full: relative to this one, with the route''s arguments, which have been read and so need no escape. What PostgREST itself reads from a request, as select, no function sees.';

-- Errors

CREATE OR REPLACE FUNCTION deed_http.refuse(
    status integer, code text, message text, more jsonb DEFAULT '{}') RETURNS void
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'PGRST',
    MESSAGE = pg_catalog.jsonb_build_object(
      'code', code, 'message', message, 'details', NULL, 'hint', NULL)::text,
    DETAIL = pg_catalog.jsonb_build_object(
      'status', status, 'headers', deed_http.headers() || more
        || CASE status WHEN 401 THEN '{"WWW-Authenticate": "Bearer"}' ELSE '{}' END::jsonb)::text;
END
$$;
COMMENT ON FUNCTION deed_http.refuse(integer, text, text, jsonb) IS
  'Ends the request with a status, a code and a message for the caller, and more headers. Of what the caller sent a message repeats nothing but a page size.';

CREATE OR REPLACE FUNCTION deed_http.hide(state text, message text) RETURNS void
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF state = 'PGRST' THEN
    RETURN;
  -- Made for the caller: a wrong cursor, page size or position.
  ELSIF state IN ('PD003', 'PD004', 'PD005') THEN
    PERFORM deed_http.refuse(400, state, pg_catalog.regexp_replace(message, '^position:', 'Deed-Position:'));
  END IF;
  RAISE LOG 'deed: a route failed with SQLSTATE %: %', state, message;
  PERFORM deed_http.refuse(500, 'PT500', 'the question could not be answered; the database log says why');
END
$$;
COMMENT ON FUNCTION deed_http.hide(text, text) IS
  'For an exception handler, before its RAISE: an error that is not made for the caller goes to the database log, and the caller gets 500.';
