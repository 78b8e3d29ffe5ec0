-- Who may do what in schema deed_http. Part of setup.sql.

-- deed_api owns all of it, so that no route runs with more rights than it needs.
DO $$
DECLARE
  routine regprocedure;
BEGIN
  FOR routine IN
    SELECT p.oid FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = 'deed_http'::regnamespace
  LOOP
    EXECUTE pg_catalog.format('ALTER FUNCTION %s OWNER TO deed_api', routine);
  END LOOP;
END
$$;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA deed_http FROM PUBLIC;
GRANT USAGE ON SCHEMA deed_http
  TO deed_anon, deed_user, deed_service, deed_api, deed_authenticator;
-- The login itself may run identify, to be refused by it.
GRANT EXECUTE ON FUNCTION deed_http.identify()
  TO deed_anon, deed_user, deed_service, deed_authenticator;
-- A function in a view needs the caller's EXECUTE.
GRANT EXECUTE ON FUNCTION deed_http.document_level(uuid) TO deed_anon, deed_user, deed_service;
