-- From 0.6.0 to 0.6.1: dead letters have an id, and positions are offsets.
--
-- A consumer of 0.6.0 goes on: the call that changes has a new one beside it. Sessions that run 0.6.0's library go on too, for
-- the id is drawn where it is not given.

-- Nothing here may revoke from, or grant on, what 0.6.0 made: inside an extension's script that would
-- make the roles' present grants part of the extension, and pg_dump would leave them out.

-- A batch has its position locked when it writes dead letters. As from 0.5.0 to 0.6.0 this waits a twentieth of a second for each
-- table, gives back what it has, and tries again, so that nobody waits for it for long.
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
      LOCK TABLE deed.stream_position, deed.dead_letter IN ACCESS EXCLUSIVE MODE;
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

-- A consumer can't begin at a negative offset: it ended with a panic. The log's beginning loses nothing.
UPDATE deed.stream_position SET next_offset = NULL, epoch = epoch + 1 WHERE next_offset < 0;
ALTER TABLE deed.stream_position
  ADD CONSTRAINT next_offset_is_null_or_from_0 CHECK (next_offset >= 0);

ALTER TABLE deed.dead_letter ADD COLUMN id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid();
COMMENT ON COLUMN deed.dead_letter.id IS
  'What tells it from all others: behind a failover to an older state another one may have the same seq.';

CREATE OR REPLACE FUNCTION deed.reset_position(
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
    SELECT CASE
      WHEN reset_position.consumer_group IS NOT NULL AND reset_position.topic IS NOT NULL
        AND reset_position.partition IS NOT NULL
      THEN pg_catalog.count(*) > 0 END
    FROM reset;
  END;
COMMENT ON FUNCTION deed.reset_position(text, text, integer, bigint) IS
  'Has a consumer group go on in a partition from this offset, null for the log''s beginning, whatever it has applied: for a topic that was re-created, a log that was cut, or a record to be passed over. What is read again changes nothing, what is passed over is lost. False when there is no such position; one below 0 is refused (23514).';

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

CREATE OR REPLACE FUNCTION deed.next_dead_letters(published bigint[], offsets bigint[], behind bigint, most integer)
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

-- As in a new one, nothing for PUBLIC.
REVOKE ALL ON FUNCTION deed.next_letters(bigint[], uuid[], bigint, integer) FROM PUBLIC;
