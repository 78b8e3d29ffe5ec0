-- From 0.3.0 to 0.4.0: tokens of share links are looked up, and whoever produced an event can wait for it.
--
-- Nothing that 0.3.0 does changes, so sessions go on; one that has used its library knows deed.applied and
-- deed.wait_for only once it has reconnected (42883). Building the indexes keeps out who writes principals
-- or moves positions. In this order: a batch writes principals first and moves its position last, so it
-- waits for the first lock without holding what the second waits for. Before both, what no writer waits for: it waits
-- for a running VACUUM or ANALYZE of the table, which nobody shall wait for too.

-- What is kept of a sample of ids, the planner would tell by its estimates.
ALTER TABLE deed.document ALTER COLUMN id SET STATISTICS 0;
DELETE FROM pg_catalog.pg_statistic AS s USING pg_catalog.pg_attribute AS a
WHERE a.attrelid = 'deed.document'::pg_catalog.regclass AND a.attname = 'id'
  AND s.starelid = a.attrelid AND s.staattnum = a.attnum;

CREATE INDEX principal_by_token ON deed.principal (token_sha256) WHERE token_sha256 IS NOT NULL;
COMMENT ON INDEX deed.principal_by_token IS 'Share links: the identity that a token stands for.';

CREATE INDEX stream_position_by_topic ON deed.stream_position (topic, partition);
COMMENT ON INDEX deed.stream_position_by_topic IS 'Freshness: the positions of a partition, of all consumer groups.';

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

-- Share links

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

REVOKE ALL ON FUNCTION deed.applied(text), deed.wait_for(text, interval), deed.share_link(text)
  FROM PUBLIC;
