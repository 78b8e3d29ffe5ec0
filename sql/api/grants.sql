-- Who may ask what: every route, which itself says for whom it is. Part of setup.sql.

DO $$
DECLARE
  routine regprocedure;
BEGIN
  FOR routine IN
    SELECT p.oid FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = 'api'::regnamespace
  LOOP
    EXECUTE pg_catalog.format('ALTER FUNCTION %s OWNER TO deed_api', routine);
  END LOOP;
END
$$;
ALTER VIEW api.documents OWNER TO deed_api;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA api FROM PUBLIC;
GRANT USAGE ON SCHEMA api TO deed_anon, deed_user, deed_service;
GRANT EXECUTE ON FUNCTION
  api.has_permission(text, text, text),
  api.effective_level(text, text),
  api.check_many(jsonb, text, text),
  api.explain_permission(text, text),
  api.list_documents(text, text, text, text, text),
  api.list_deleted(text, text, text),
  api.list_permissions(text, text, text, text),
  api.list_principals(text, text, text, text, text),
  api.list_members(text, text, text, text)
TO deed_anon, deed_user, deed_service;
GRANT SELECT ON api.documents TO deed_anon, deed_user, deed_service;
