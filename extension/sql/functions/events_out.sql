-- Events out: who watches, what the relay takes, what waits.

CREATE FUNCTION deed.watch(
    principal uuid, document uuid, until timestamptz, watcher text DEFAULT '')
  RETURNS deed.permission_level
  LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER COST 10000
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_watch_0_5';
COMMENT ON FUNCTION deed.watch(uuid, uuid, timestamptz, text) IS
  'Has deed.access.changed tell of each change of this level until then, and gives the level from which the first one counts. A lease for each watcher; the same call again prolongs it.';

CREATE FUNCTION deed.unwatch(principal uuid, document uuid, watcher text DEFAULT '')
  RETURNS void
  LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  BEGIN ATOMIC
    -- The relay takes it away, under the lock that orders it.
    UPDATE deed.lease AS l SET until = '-infinity'
    WHERE l.document_id = unwatch.document AND l.principal_id = unwatch.principal
      AND l.watcher = unwatch.watcher;
  END;
COMMENT ON FUNCTION deed.unwatch(uuid, uuid, text) IS
  'Ends the watcher''s own lease; those of others go on.';

CREATE FUNCTION deed.settle(relay uuid) RETURNS boolean
  LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER COST 100000
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_settle_0_5';
COMMENT ON FUNCTION deed.settle(uuid) IS
  'Looks at a bounded number of marks, expiries and ended leases, and puts what follows into the outbox. True when there is more to do at once, false when there is not; null while another relay is at work. One that calls it every second at least keeps the work to itself.';

CREATE FUNCTION deed.next_outbox_events(published bigint[], ids uuid[], most integer)
  RETURNS TABLE (seq bigint, id uuid, type text, subject uuid, data text, at timestamptz, traceparent text)
  LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER ROWS 1000
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  BEGIN ATOMIC
    DELETE FROM deed.outbox AS o
    USING (SELECT * FROM ROWS FROM (unnest(next_outbox_events.published), unnest(next_outbox_events.ids))
      AS p (seq, id) OFFSET 0) AS p
    WHERE o.seq = p.seq AND o.id = p.id;
    SELECT o.seq, o.id, o.type, o.aggregateid, o.payload::text, o.at, o.traceparent
    FROM deed.outbox AS o ORDER BY o.seq LIMIT next_outbox_events.most;
  END;
COMMENT ON FUNCTION deed.next_outbox_events(bigint[], uuid[], integer) IS
  'Takes the events that are published, by seq and id, out of the outbox, and gives the next ones, in order. They stay there until they are published. Behind a failover to an older state other events may have the same seq.';

CREATE FUNCTION deed.next_events(published bigint[], most integer)
  RETURNS TABLE (seq bigint, id uuid, type text, subject uuid, data text, at timestamptz)
  LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER ROWS 1000
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  BEGIN ATOMIC
    DELETE FROM deed.outbox AS o WHERE o.seq = ANY (next_events.published);
    SELECT o.seq, o.id, o.type, o.aggregateid, o.payload::text, o.at
    FROM deed.outbox AS o ORDER BY o.seq LIMIT next_events.most;
  END;
COMMENT ON FUNCTION deed.next_events(bigint[], integer) IS
  'The same as a relay of 0.5.0 calls it: without traces. It goes with 0.7.0.';

CREATE FUNCTION deed.outbox_id() RETURNS uuid
  LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp
  BEGIN ATOMIC
    SELECT r.outbox FROM deed.relay AS r;
  END;
COMMENT ON FUNCTION deed.outbox_id() IS
  'What tells this outbox from all others, for the name of its producer; null before any relay was at work.';

CREATE FUNCTION deed.release_relay(relay uuid) RETURNS void
  LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp
  BEGIN ATOMIC
    UPDATE deed.relay AS r SET until = '-infinity' WHERE r.relay = release_relay.relay;
  END;
COMMENT ON FUNCTION deed.release_relay(uuid) IS
  'Lets another relay take over at once.';

CREATE FUNCTION deed.next_letters(published bigint[], ids uuid[], behind bigint, most integer)
  RETURNS TABLE (seq bigint, destination text, record_key bytea, header_names bytea[], header_values bytea[],
    payload bytea, consumer_group text, topic text, partition integer, record_offset bigint, reason text, id uuid)
  LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER ROWS 10
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  BEGIN ATOMIC
    DELETE FROM deed.dead_letter AS l
    USING (SELECT * FROM ROWS FROM (unnest(next_letters.published), unnest(next_letters.ids))
      AS p (seq, id) OFFSET 0) AS p
    WHERE l.seq = p.seq AND l.id = p.id;
    SELECT l.seq, l.destination, l.record_key,
      ARRAY(
        SELECT coalesce(pg_catalog.convert_to(h.entry ->> 'name', 'UTF8'),
          pg_catalog.decode(h.entry ->> 'name_base64', 'base64'))
        FROM pg_catalog.jsonb_array_elements(l.headers) WITH ORDINALITY AS h (entry, place)
        ORDER BY h.place),
      ARRAY(
        SELECT coalesce(pg_catalog.convert_to(h.entry ->> 'value', 'UTF8'),
          pg_catalog.decode(h.entry ->> 'value_base64', 'base64'))
        FROM pg_catalog.jsonb_array_elements(l.headers) WITH ORDINALITY AS h (entry, place)
        ORDER BY h.place),
      l.payload, l.consumer_group, l.topic, l.partition, l.record_offset, l.reason, l.id
    FROM (
      SELECT d.*, pg_catalog.row_number() OVER (ORDER BY d.seq) AS place,
        pg_catalog.sum(coalesce(pg_catalog.octet_length(d.payload), 0)
          + coalesce(pg_catalog.octet_length(d.record_key), 0)
          + pg_catalog.octet_length(d.headers::text)) OVER (ORDER BY d.seq) AS bytes
      FROM deed.dead_letter AS d WHERE d.seq > next_letters.behind
      ORDER BY d.seq LIMIT next_letters.most) AS l
    -- One alone may be larger.
    WHERE l.place = 1 OR l.bytes <= 4194304
    ORDER BY l.seq;
  END;
COMMENT ON FUNCTION deed.next_letters(bigint[], uuid[], bigint, integer) IS
  'Takes the dead letters that are published, by seq and id, away, and gives the next ones behind a seq, in order: at most so many, and 4 MiB of them or one. Their headers and values are as the record had them, in order.';

CREATE FUNCTION deed.next_dead_letters(published bigint[], offsets bigint[], behind bigint, most integer)
  RETURNS TABLE (seq bigint, destination text, record_key bytea, header_names bytea[], header_values bytea[],
    payload bytea, consumer_group text, topic text, partition integer, record_offset bigint, reason text)
  LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER ROWS 10
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  BEGIN ATOMIC
    DELETE FROM deed.dead_letter AS l
    USING (SELECT * FROM ROWS FROM (unnest(next_dead_letters.published), unnest(next_dead_letters.offsets))
      AS p (seq, record_offset) OFFSET 0) AS p
    WHERE l.seq = p.seq AND l.record_offset = p.record_offset;
    SELECT n.seq, n.destination, n.record_key, n.header_names, n.header_values, n.payload, n.consumer_group, n.topic,
      n.partition, n.record_offset, n.reason
    FROM deed.next_letters('{}', '{}', next_dead_letters.behind, next_dead_letters.most) AS n;
  END;
COMMENT ON FUNCTION deed.next_dead_letters(bigint[], bigint[], bigint, integer) IS
  'The same as a relay of 0.6.0 calls it, by seq and record_offset. It goes with 0.8.0.';

CREATE FUNCTION deed.backlog(
    OUT outbox_events bigint, OUT outbox_since timestamptz, OUT dead_letters bigint, OUT marks bigint,
    OUT quarantined bigint)
  LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  BEGIN ATOMIC
    SELECT
      (SELECT pg_catalog.count(*) FROM (SELECT FROM deed.outbox LIMIT 100000) AS o),
      (SELECT o.at FROM deed.outbox AS o ORDER BY o.seq LIMIT 1),
      (SELECT pg_catalog.count(*) FROM (SELECT FROM deed.dead_letter LIMIT 100000) AS d),
      (SELECT pg_catalog.count(*) FROM (SELECT FROM deed.mark LIMIT 100000) AS m),
      (SELECT pg_catalog.count(*) FROM (SELECT FROM deed.quarantine LIMIT 100000) AS q);
  END;
COMMENT ON FUNCTION deed.backlog() IS
  'What waits: events to go out and since when the first of them does, dead letters to go out, marks to be looked at, and quarantined records. Counted up to 100,000 each.';
