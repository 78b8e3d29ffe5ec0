-- Reading one's own write: the header Deed-Position. Part of setup.sql.

CREATE OR REPLACE FUNCTION deed_http.wait_for(token text) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- The letters "deed": Deed's own among the advisory locks of this database.
  ours  constant integer := x'64656564'::integer;
  retry constant jsonb := '{"Retry-After": "1"}';
  longest interval;
  places  integer;
BEGIN
  IF token IS NULL OR deed.applied(token) THEN
    RETURN;
  END IF;
  longest := coalesce(nullif(pg_catalog.current_setting('deed_http.max_wait', true), ''), '2s');
  places := coalesce(nullif(pg_catalog.current_setting('deed_http.max_waiting', true), ''), '6');
  -- Visitors, who may be anybody, leave half of the places to the others.
  IF deed_http.role() = 'deed_anon' THEN
    places := places / 2;
  END IF;
  -- A place is a lock, held until the transaction ends in whatever way. Those beyond the visitors' come first.
  FOR place IN REVERSE places .. 1 LOOP
    IF pg_catalog.pg_try_advisory_xact_lock(ours, place) THEN
      IF deed.wait_for(token, longest) THEN
        RETURN;
      END IF;
      PERFORM deed_http.refuse(504, 'PT504', 'Deed-Position: not applied yet; ask again', retry);
    END IF;
  END LOOP;
  PERFORM deed_http.refuse(504, 'PT504', 'Deed-Position: too many requests wait; ask again', retry);
END
$$;
COMMENT ON FUNCTION deed_http.wait_for(text) IS
  'Waits until the position in the header Deed-Position is applied; 504 when it is not within deed_http.max_wait (2s), or when deed_http.max_waiting (6) requests wait already.';
