-- The roles. They belong to the whole cluster and need no extension, so that this file can also
-- run before a restore. Part of setup.sql.

-- Two databases of one cluster may be set up at once; a lock on a shared table orders them.
LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE;

DO $$
DECLARE
  role_name text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY['deed_anon', 'deed_user', 'deed_service', 'deed_consumer',
    'deed_operator', 'deed_api', 'deed_authenticator']
  LOOP
    IF pg_catalog.to_regrole(role_name) IS NULL THEN
      EXECUTE pg_catalog.format('CREATE ROLE %I', role_name);
    END IF;
    EXECUTE pg_catalog.format('ALTER ROLE %I NOLOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE '
      'NOREPLICATION NOBYPASSRLS', role_name);
  END LOOP;
END
$$;

COMMENT ON ROLE deed_anon IS 'Deed over HTTP: visitors, with a share link or without any identity.';
COMMENT ON ROLE deed_user IS 'Deed over HTTP: signed-in principals.';
COMMENT ON ROLE deed_service IS 'Deed over HTTP and in SQL: other services, which may ask for any principal.';
COMMENT ON ROLE deed_consumer IS 'Deed: applies events, and carries those that go out. Grant it to the login of deed-consumer.';
COMMENT ON ROLE deed_operator IS 'Deed: reads and clears quarantine, applies it again, reads and resets positions, sees orphaned documents, and what waits to go out. Grant it to people.';
COMMENT ON ROLE deed_api IS 'Deed: owns the functions behind HTTP and is nobody''s login.';
COMMENT ON ROLE deed_authenticator IS 'Deed: PostgREST''s login, which becomes deed_anon, deed_user or deed_service.';

-- NOINHERIT: it has no right of its own until it becomes one of the three.
ALTER ROLE deed_authenticator LOGIN;
GRANT deed_anon, deed_user, deed_service TO deed_authenticator;
\if :{?authenticator_password}
ALTER ROLE deed_authenticator PASSWORD :'authenticator_password';
\endif

-- PostgREST applies the timeout of the role that a request runs as. They bound what no index
-- serves: /documents without an id.
ALTER ROLE deed_anon SET statement_timeout = '3s';
ALTER ROLE deed_user SET statement_timeout = '5s';
ALTER ROLE deed_service SET statement_timeout = '10s';
ALTER ROLE deed_authenticator SET idle_in_transaction_session_timeout = '30s';
