-- Who may do what; docs/ROLES.md is the same as a table. Part of setup.sql.

-- Schema deed. The extension names no role, so every grant is here; a check reads indexes past table
-- grants and row security, so EXECUTE on it is the permission to ask about anybody.

GRANT USAGE ON SCHEMA deed TO deed_consumer, deed_operator, deed_service, deed_api;

-- They run with the rights of the extension's owner. Whoever reads and applies any record may see those that could
-- not be applied, apply them again, and go back in the log: so the consumer's login does for its own subcommands.
GRANT EXECUTE ON FUNCTION
  deed.claim(text, text, integer, uuid, text),
  deed.claim(text, text, integer, uuid),
  deed.apply_batch(text, text, integer, bigint, bigint, bigint, bigint[], bigint[], bytea[],
    integer[], bytea[], bytea[], bytea[], boolean, text, text),
  deed.apply_batch(text, text, integer, bigint, bigint, bigint, bigint[], bigint[], bytea[],
    integer[], bytea[], bytea[], bytea[]),
  deed.stop_partition(text, text, integer, bigint, text),
  deed.settle(uuid),
  deed.next_outbox_events(bigint[], uuid[], integer),
  deed.next_events(bigint[], integer),
  deed.next_letters(bigint[], uuid[], bigint, integer),
  deed.next_dead_letters(bigint[], bigint[], bigint, integer),
  deed.outbox_id(),
  deed.release_relay(uuid)
TO deed_consumer;
GRANT SELECT ON deed.quarantine, deed.stream_position TO deed_consumer, deed_operator;
GRANT EXECUTE ON FUNCTION
  deed.reset_position(text, text, integer, bigint),
  deed.reset_position(text, text, integer),
  deed.redrive(bigint[]),
  deed.backlog()
TO deed_consumer, deed_operator;

GRANT SELECT ON deed.orphaned_documents, deed.outbox, deed.dead_letter, deed.mark, deed.lease, deed.watched,
  deed.relay TO deed_operator;
-- A record that can never be read, or never go out, is dropped by hand.
GRANT DELETE ON deed.quarantine, deed.dead_letter TO deed_operator;
GRANT EXECUTE ON FUNCTION
  deed.everyone(),
  deed.users()
TO deed_operator;

GRANT EXECUTE ON FUNCTION
  deed.has_permission(uuid, uuid, deed.permission_level),
  deed.effective_level(uuid, uuid),
  deed.has_permission(uuid, deed.permission_level),
  deed.effective_level(uuid),
  deed.check_many(uuid, uuid[], deed.permission_level),
  deed.list_documents(uuid, deed.permission_level, deed.document_sort, text, integer),
  deed.explain_permission(uuid, uuid),
  deed.list_permissions(uuid, text, integer),
  deed.list_principals(uuid, deed.permission_level, text, integer),
  deed.list_members(uuid, text, integer),
  deed.list_deleted(uuid, text, integer),
  deed.applied(text),
  deed.wait_for(text, interval),
  deed.share_link(text),
  deed.everyone(),
  deed.current_principal()
TO deed_service, deed_api;

GRANT EXECUTE ON FUNCTION
  deed.document(uuid),
  deed.users(),
  deed.apply(jsonb),
  deed.watch(uuid, uuid, timestamptz, text),
  deed.unwatch(uuid, uuid, text)
TO deed_service;
GRANT SELECT ON deed.orphaned_documents TO deed_service;

-- What api.documents shows, and no version of it.
GRANT SELECT (id, title, metadata, content, created_at, created_by, deleted_at,
  last_modified, last_modified_by) ON deed.document TO deed_api;

-- Schemas api and deed_http. deed_api owns all of both, so that no route runs with more rights than it
-- needs.
DO $$
DECLARE
  routine regprocedure;
BEGIN
  FOR routine IN
    SELECT p.oid FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace IN ('api'::regnamespace, 'deed_http'::regnamespace)
  LOOP
    EXECUTE pg_catalog.format('ALTER FUNCTION %s OWNER TO deed_api', routine);
  END LOOP;
END
$$;
ALTER VIEW api.documents OWNER TO deed_api;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA api, deed_http FROM PUBLIC;

-- Every route is anybody's, and says itself for whom it is.
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

GRANT USAGE ON SCHEMA deed_http
  TO deed_anon, deed_user, deed_service, deed_api, deed_authenticator;
-- The login itself may run identify, to be refused by it.
GRANT EXECUTE ON FUNCTION deed_http.identify()
  TO deed_anon, deed_user, deed_service, deed_authenticator;
-- A function in a view needs the caller's EXECUTE.
GRANT EXECUTE ON FUNCTION deed_http.document_level(uuid) TO deed_anon, deed_user, deed_service;
