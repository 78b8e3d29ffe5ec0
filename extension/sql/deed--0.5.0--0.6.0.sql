-- From 0.5.0 to 0.6.0: dead letters, positions that say who owns a partition and why it has stopped, and traces.
--
-- A consumer of 0.5.0 goes on: its calls have new ones beside them. Sessions that run 0.5.0's library go on too, for
-- what is new in the tables may be absent.

-- Nothing here may revoke from, or grant on, what 0.5.0 made: inside an extension's script that would
-- make the roles' present grants part of the extension, and pg_dump would leave them out.

-- Applying writes events before marks, settling reads marks before it writes events, so there is no order in which
-- this could wait without a deadlock. It waits a twentieth of a second for each table instead, gives back what it has, and tries
-- again: others wait for it for some tenths of a second at most until it has all of them.
DO $lock$
DECLARE
  given text := pg_catalog.current_setting('lock_timeout');
  began timestamptz := pg_catalog.clock_timestamp();
  told timestamptz := began;
  moment timestamptz;
BEGIN
  LOOP
    BEGIN
      PERFORM pg_catalog.set_config('lock_timeout', '50ms', true);
      LOCK TABLE deed.stream_position, deed.outbox, deed.mark IN ACCESS EXCLUSIVE MODE;
      PERFORM pg_catalog.set_config('lock_timeout', given, true);
      RETURN;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
      moment := pg_catalog.clock_timestamp();
      IF given <> '0' AND moment - began > given::interval THEN
        RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
          MESSAGE = 'could not lock the tables of deed within lock_timeout',
          HINT = 'End transactions that have asked or applied, as pg_stat_activity shows them, or wait longer.';
      END IF;
      IF moment - told > '5 seconds'::interval THEN
        told := moment;
        RAISE WARNING 'waiting for transactions that have asked or applied, as pg_stat_activity shows them';
      END IF;
      PERFORM pg_catalog.pg_sleep(0.3 + pg_catalog.random() * 0.3);
    END;
  END LOOP;
END
$lock$;

ALTER TABLE deed.stream_position
  ADD COLUMN owner text, ADD COLUMN claimed_at timestamptz,
  ADD COLUMN stopped_for text, ADD COLUMN stopped_at timestamptz;
COMMENT ON COLUMN deed.stream_position.owner IS
  'What the last process to claim it calls itself; null where it has no name.';
COMMENT ON COLUMN deed.stream_position.claimed_at IS 'When it did.';
COMMENT ON COLUMN deed.stream_position.stopped_for IS
  'Why its owner applies nothing of it until an operator decides; null while it does.';
COMMENT ON COLUMN deed.stream_position.stopped_at IS 'Since when it does not.';

ALTER TABLE deed.outbox ADD COLUMN traceparent text;
COMMENT ON COLUMN deed.outbox.traceparent IS
  'The trace that the inbound event came in, where it was in one (W3C Trace Context).';
ALTER TABLE deed.mark ADD COLUMN traceparent text;
COMMENT ON COLUMN deed.mark.traceparent IS 'The trace that this event came in, where it was in one.';

CREATE TABLE deed.dead_letter (
  seq              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  destination      text NOT NULL,
  consumer_group   text NOT NULL,
  topic            text NOT NULL,
  partition        integer NOT NULL,
  record_offset    bigint NOT NULL,
  record_key       bytea,
  headers          jsonb NOT NULL,
  payload          bytea,
  reason           text NOT NULL
) WITH (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 50000
);
COMMENT ON TABLE deed.dead_letter IS
  'Quarantined records that wait to go out to a dead-letter topic, written in the transaction that quarantined them; the relay takes them away.';
COMMENT ON COLUMN deed.dead_letter.seq IS 'The order in which they go out.';
COMMENT ON COLUMN deed.dead_letter.destination IS 'The dead-letter topic.';
COMMENT ON COLUMN deed.dead_letter.consumer_group IS 'Who could not apply it.';
COMMENT ON COLUMN deed.dead_letter.headers IS 'As in deed.quarantine.';
COMMENT ON COLUMN deed.dead_letter.reason IS 'As in deed.quarantine.';

CREATE FUNCTION deed.apply_batch(
    consumer_group text, topic text, partition integer, epoch bigint,
    continues_from bigint, next_offset bigint,
    offsets bigint[], timestamps bigint[], keys bytea[],
    header_counts integer[], header_names bytea[], header_values bytea[],
    payloads bytea[],
    tolerant boolean, dead_letter_topic text, refused_for text)
  RETURNS TABLE (type text, outcome deed.apply_outcome, events bigint)
  LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER COST 100000 ROWS 10
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_apply_batch_0_6';
COMMENT ON FUNCTION deed.apply_batch(text, text, integer, bigint, bigint, bigint, bigint[], bigint[], bytea[], integer[], bytea[], bytea[], bytea[], boolean, text, text) IS
  'Applies the records of one partition and moves its position, in one statement; without records it only moves it. Records below the stored position are skipped. What can''t be read is quarantined, and goes to the dead-letter topic where one is given; unless the caller is tolerant it raises PD014 instead. With refused_for all records are quarantined for that reason, unread. Header arrays are flattened over the batch, header_counts says how many belong to each record.';
COMMENT ON FUNCTION deed.apply_batch(text, text, integer, bigint, bigint, bigint, bigint[], bigint[], bytea[], integer[], bytea[], bytea[], bytea[]) IS
  'The same as a consumer of 0.5.0 calls it: tolerant, and without a dead-letter topic. It goes with 0.7.0.';

CREATE FUNCTION deed.claim(
    consumer_group text, topic text, partition integer, topic_id uuid, owner text)
  RETURNS TABLE (epoch bigint, next_offset bigint)
  LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER COST 10000 ROWS 1
  SET search_path = pg_catalog, pg_temp
  AS 'MODULE_PATHNAME', 'deed_claim_0_6';
COMMENT ON FUNCTION deed.claim(text, text, integer, uuid, text) IS
  'Takes the partition over, in this name, which may be empty: batches of earlier owners are refused from now on, and it is no longer stopped. Gives the epoch for apply_batch and the offset to start at, null for the log''s beginning.';
CREATE OR REPLACE FUNCTION deed.claim(consumer_group text, topic text, partition integer, topic_id uuid)
  RETURNS TABLE (epoch bigint, next_offset bigint)
  LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER ROWS 1
  SET search_path = pg_catalog, pg_temp
  BEGIN ATOMIC
    SELECT c.epoch, c.next_offset
    FROM deed.claim(claim.consumer_group, claim.topic, claim.partition, claim.topic_id, '') AS c;
  END;
COMMENT ON FUNCTION deed.claim(text, text, integer, uuid) IS
  'The same as a consumer of 0.5.0 calls it: without a name. It goes with 0.7.0.';

CREATE FUNCTION deed.stop_partition(
    consumer_group text, topic text, partition integer, epoch bigint, stopped_for text)
  RETURNS boolean
  LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  BEGIN ATOMIC
    WITH stopped AS (
      UPDATE deed.stream_position AS p
      SET stopped_for = stop_partition.stopped_for, stopped_at = pg_catalog.clock_timestamp()
      WHERE p.consumer_group = stop_partition.consumer_group
        AND p.topic = stop_partition.topic AND p.partition = stop_partition.partition
        AND p.epoch = stop_partition.epoch
      RETURNING 1)
    SELECT pg_catalog.count(*) > 0 FROM stopped;
  END;
COMMENT ON FUNCTION deed.stop_partition(text, text, integer, bigint, text) IS
  'Notes why the owner with this epoch applies nothing of the partition any more, for an operator to see. The next claim or reset takes the note away. False when it was claimed or reset meanwhile.';

CREATE FUNCTION deed.reset_position(
    consumer_group text, topic text, partition integer, next_offset bigint)
  RETURNS boolean
  LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  BEGIN ATOMIC
    WITH reset AS (
      UPDATE deed.stream_position AS p
      SET topic_id = NULL, next_offset = reset_position.next_offset, epoch = p.epoch + 1,
        stopped_for = NULL, stopped_at = NULL
      WHERE p.consumer_group = reset_position.consumer_group
        AND p.topic = reset_position.topic AND p.partition = reset_position.partition
      RETURNING 1)
    SELECT pg_catalog.count(*) > 0 FROM reset;
  END;
COMMENT ON FUNCTION deed.reset_position(text, text, integer, bigint) IS
  'Has a consumer group go on in a partition from this offset, null for the log''s beginning, whatever it has applied: for a topic that was re-created, a log that was cut, or a record to be passed over. What is read again changes nothing, what is passed over is lost. False when there is no such position.';

CREATE OR REPLACE FUNCTION deed.reset_position(consumer_group text, topic text, partition integer)
  RETURNS boolean
  LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp
  RETURN deed.reset_position(consumer_group, topic, partition, NULL);
COMMENT ON FUNCTION deed.reset_position(text, text, integer) IS
  'The same from the log''s beginning.';

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
COMMENT ON FUNCTION deed.next_events(bigint[], integer) IS
  'The same as a relay of 0.5.0 calls it: without traces. It goes with 0.7.0.';

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
      l.payload, l.consumer_group, l.topic, l.partition, l.record_offset, l.reason
    FROM (
      SELECT d.*, pg_catalog.row_number() OVER (ORDER BY d.seq) AS place,
        pg_catalog.sum(coalesce(pg_catalog.octet_length(d.payload), 0)
          + coalesce(pg_catalog.octet_length(d.record_key), 0)
          + pg_catalog.octet_length(d.headers::text)) OVER (ORDER BY d.seq) AS bytes
      FROM deed.dead_letter AS d WHERE d.seq > next_dead_letters.behind
      ORDER BY d.seq LIMIT next_dead_letters.most) AS l
    -- One alone may be larger.
    WHERE l.place = 1 OR l.bytes <= 4194304
    ORDER BY l.seq;
  END;
COMMENT ON FUNCTION deed.next_dead_letters(bigint[], bigint[], bigint, integer) IS
  'Takes the dead letters that are published, by seq and record_offset, away, and gives the next ones behind a seq, in order: at most so many, and 4 MiB of them or one. Their headers and values are as the record had them, in order.';

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

REVOKE ALL ON FUNCTION
  deed.apply_batch(text, text, integer, bigint, bigint, bigint, bigint[], bigint[], bytea[], integer[],
    bytea[], bytea[], bytea[], boolean, text, text),
  deed.claim(text, text, integer, uuid, text),
  deed.stop_partition(text, text, integer, bigint, text),
  deed.reset_position(text, text, integer, bigint),
  deed.next_outbox_events(bigint[], uuid[], integer), deed.next_dead_letters(bigint[], bigint[], bigint, integer),
  deed.backlog()
FROM PUBLIC;
REVOKE ALL ON deed.dead_letter FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('deed.dead_letter', '');
SELECT pg_catalog.pg_extension_config_dump('deed.dead_letter_seq_seq', '');
