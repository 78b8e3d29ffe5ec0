-- Arguments of the routes. They arrive as text, or the type's own error would answer without the
-- argument's name. Part of setup.sql.

-- Stricter than the type's own input on purpose: one spelling of an id.
CREATE OR REPLACE FUNCTION deed_http.is_uuid(value text) RETURNS boolean
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN value ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$';
COMMENT ON FUNCTION deed_http.is_uuid(text) IS 'Whether a text is a uuid in its usual form.';

CREATE OR REPLACE FUNCTION deed_http.read_uuid(argument text, value text) RETURNS uuid
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF deed_http.is_uuid(value) IS NOT TRUE THEN
    PERFORM deed_http.refuse(400, 'PT400', argument || ': expected a uuid');
  END IF;
  RETURN value::uuid;
END
$$;
COMMENT ON FUNCTION deed_http.read_uuid(text, text) IS 'An argument as a uuid, or 400.';

CREATE OR REPLACE FUNCTION deed_http.read_uuids(argument text, value jsonb) RETURNS uuid[]
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most constant integer := 1000; -- also the most rows that an answer has
BEGIN
  -- A CASE, for the elements of what is no array can't be looked at.
  IF (CASE WHEN pg_catalog.jsonb_typeof(value) = 'array' THEN
      pg_catalog.jsonb_array_length(value) <= most AND NOT EXISTS (
        SELECT FROM pg_catalog.jsonb_array_elements(value) AS e (item)
        WHERE pg_catalog.jsonb_typeof(e.item) <> 'string' OR NOT deed_http.is_uuid(e.item #>> '{}'))
    END) IS NOT TRUE
  THEN
    PERFORM deed_http.refuse(400, 'PT400',
      argument || ': expected a list of at most ' || most || ' uuids');
  END IF;
  RETURN ARRAY(
    SELECT e.item::uuid FROM pg_catalog.jsonb_array_elements_text(value) WITH ORDINALITY AS e (item, n)
    ORDER BY e.n);
END
$$;
COMMENT ON FUNCTION deed_http.read_uuids(text, jsonb) IS 'An argument as a list of uuids, or 400.';

CREATE OR REPLACE FUNCTION deed_http.read_word(argument text, value text, kind anyenum) RETURNS anyenum
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  words constant text[] := pg_catalog.enum_range(kind)::text[];
BEGIN
  IF (value = ANY (words)) IS NOT TRUE THEN
    PERFORM deed_http.refuse(400, 'PT400',
      argument || ': expected one of ' || pg_catalog.array_to_string(words, ', '));
  END IF;
  RETURN value;
END
$$;
COMMENT ON FUNCTION deed_http.read_word(text, text, anyenum) IS
  'An argument as a value of the enum of kind, which may be null, or 400.';

CREATE OR REPLACE FUNCTION deed_http.read_page_size(value text) RETURNS integer
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- The list itself knows the bounds; nine digits are within an integer's.
  IF (value ~ '^[0-9]{1,9}$') IS NOT TRUE THEN
    PERFORM deed_http.refuse(400, 'PT400', 'page_size: expected a whole number from 1 to 1000');
  END IF;
  RETURN value::integer;
END
$$;
COMMENT ON FUNCTION deed_http.read_page_size(text) IS 'The argument page_size as a number, or 400.';
