-- Roles, grants and the HTTP schema for one database that has the extension. Run by a superuser:
--
--   psql -X -v ON_ERROR_STOP=1 -v authenticator_password=... -f sql/setup.sql DATABASE
--
-- Run it again after each upgrade, for it may be run any number of times and all of it is one
-- transaction. Without authenticator_password the login's password stays as it is.

\set ON_ERROR_STOP on
BEGIN;
-- A script that replaces what is there would otherwise talk about every object that it skips.
SET LOCAL client_min_messages = warning;
DO $$
BEGIN
  IF pg_catalog.to_regnamespace('deed') IS NULL THEN
    RAISE EXCEPTION USING MESSAGE = 'this database has no extension deed',
      HINT = 'Run CREATE EXTENSION deed in it first.';
  END IF;
END
$$;
\ir roles.sql
\ir http/answers.sql
\ir http/arguments.sql
\ir http/freshness.sql
\ir http/identity.sql
\ir api/checks.sql
\ir api/lists.sql
\ir api/sharing.sql
\ir api/documents.sql
\ir grants.sql
COMMIT;

-- A PostgREST that runs already reads the schema anew.
NOTIFY pgrst, 'reload schema';
