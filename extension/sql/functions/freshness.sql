-- Freshness: whether what was produced is applied, for whoever wants to read their own write.

CREATE FUNCTION deed.applied(token text) RETURNS boolean
  LANGUAGE c STABLE STRICT PARALLEL RESTRICTED SECURITY DEFINER COST 1000
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_applied_0_4';
COMMENT ON FUNCTION deed.applied(text) IS
  'Whether the records at these places in Kafka are applied: topic:partition:offset, several by comma. True when for each the position of some consumer group has passed it; false for a topic that nobody consumes.';

CREATE FUNCTION deed.wait_for(token text, timeout interval) RETURNS boolean
  LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER COST 100000
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_wait_for_0_4';
COMMENT ON FUNCTION deed.wait_for(text, interval) IS
  'Waits until deed.applied, looking anew each time; false when that is not so within the timeout. Call it as a statement of its own before the read that is to see the write: a snapshot is taken once a statement.';
