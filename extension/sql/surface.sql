-- What the extension leaves behind for the roles of a database: nothing. Grants belong to whoever
-- installs it (see sql/grants.sql of the project); EXECUTE on a check is the permission to ask.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA deed FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA deed FROM PUBLIC;
REVOKE ALL ON TYPE deed.permission_level, deed.permission_recipient, deed.document_sort,
  deed.apply_outcome, deed.mark_kind FROM PUBLIC;

-- pg_dump leaves an extension's rows out unless told that they are the user's. The row of
-- closure_lock is the extension's own.
SELECT pg_catalog.pg_extension_config_dump('deed.document', '');
SELECT pg_catalog.pg_extension_config_dump('deed.principal', '');
SELECT pg_catalog.pg_extension_config_dump('deed.permission', '');
SELECT pg_catalog.pg_extension_config_dump('deed.stream_position', '');
SELECT pg_catalog.pg_extension_config_dump('deed.quarantine', '');
SELECT pg_catalog.pg_extension_config_dump('deed.quarantine_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('deed.membership', '');
SELECT pg_catalog.pg_extension_config_dump('deed.listing', '');
SELECT pg_catalog.pg_extension_config_dump('deed.closure', '');
SELECT pg_catalog.pg_extension_config_dump('deed.outbox', '');
SELECT pg_catalog.pg_extension_config_dump('deed.outbox_seq_seq', '');
SELECT pg_catalog.pg_extension_config_dump('deed.mark', '');
SELECT pg_catalog.pg_extension_config_dump('deed.mark_seq_seq', '');
SELECT pg_catalog.pg_extension_config_dump('deed.lease', '');
SELECT pg_catalog.pg_extension_config_dump('deed.watched', '');
SELECT pg_catalog.pg_extension_config_dump('deed.orphan', '');
SELECT pg_catalog.pg_extension_config_dump('deed.dead_letter', '');
SELECT pg_catalog.pg_extension_config_dump('deed.dead_letter_seq_seq', '');
