-- Who may do what in schema deed. The extension names no role, so every grant is here; a check
-- reads indexes past table grants and row security, so EXECUTE on it is the permission to ask
-- about anybody. Part of setup.sql.

GRANT USAGE ON SCHEMA deed TO deed_consumer, deed_operator, deed_service, deed_api;

-- Both run with the rights of the extension's owner: the consumer touches no table itself.
GRANT EXECUTE ON FUNCTION
  deed.claim(text, text, integer, uuid),
  deed.apply_batch(text, text, integer, bigint, bigint, bigint, bigint[], bigint[], bytea[],
    integer[], bytea[], bytea[], bytea[])
TO deed_consumer;

GRANT SELECT ON deed.quarantine, deed.stream_position, deed.orphaned_documents TO deed_operator;
-- A record that can never be read is dropped by hand.
GRANT DELETE ON deed.quarantine TO deed_operator;
GRANT EXECUTE ON FUNCTION
  deed.reset_position(text, text, integer),
  deed.redrive(bigint[]),
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
  deed.apply(jsonb)
TO deed_service;
GRANT SELECT ON deed.orphaned_documents TO deed_service;

-- What api.documents shows, and no version of it.
GRANT SELECT (id, title, metadata, content, created_at, created_by, deleted_at,
  last_modified, last_modified_by) ON deed.document TO deed_api;
