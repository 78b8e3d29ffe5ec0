-- Who is spoken of: the built-in recipients, whom the session speaks for, whose a share link is.

CREATE FUNCTION deed.everyone() RETURNS uuid
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN '00000000-0000-0000-0000-000000000001'::uuid;
COMMENT ON FUNCTION deed.everyone() IS
  'The built-in recipient that every principal is in, visitors without identity included.';

CREATE FUNCTION deed.users() RETURNS uuid
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN '00000000-0000-0000-0000-000000000002'::uuid;
COMMENT ON FUNCTION deed.users() IS
  'The built-in recipient that every registered user is in who is not removed.';

CREATE FUNCTION deed.current_principal() RETURNS uuid
  LANGUAGE sql STABLE PARALLEL SAFE
  RETURN coalesce(
    nullif(pg_catalog.current_setting('deed.principal', true), '')::uuid,
    (nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid);
COMMENT ON FUNCTION deed.current_principal() IS
  'The principal that this session speaks for: the setting deed.principal, else the claim sub of request.jwt.claims. A claim of the session itself: whoever runs free SQL can be anyone.';

CREATE FUNCTION deed.share_link(token text) RETURNS uuid
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  BEGIN ATOMIC
    SELECT (pg_catalog.array_agg(l.id))[1]
    FROM (
      SELECT p.id FROM deed.principal AS p
      WHERE p.token_sha256 = pg_catalog.sha256(pg_catalog.convert_to(share_link.token, 'UTF8'))
        AND p.kind = 'anonymous' AND p.removed_at IS NULL
      LIMIT 2) AS l
    HAVING pg_catalog.count(*) = 1;
  END;
COMMENT ON FUNCTION deed.share_link(text) IS
  'The share-link identity whose token this is: of kind anonymous and not removed. Null when there is none, or more than one.';
