-- Positions of consumer groups in Kafka: taken over, stopped, set anew. deed.apply_batch moves them.

CREATE FUNCTION deed.claim(
    consumer_group text, topic text, partition integer, topic_id uuid, owner text)
  RETURNS TABLE (epoch bigint, next_offset bigint)
  LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER COST 10000 ROWS 1
  SET search_path = pg_catalog, pg_temp
  AS 'MODULE_PATHNAME', 'deed_claim_0_6';
COMMENT ON FUNCTION deed.claim(text, text, integer, uuid, text) IS
  'Takes the partition over, in this name, which may be empty: batches of earlier owners are refused from now on, and it is no longer stopped. Gives the epoch for apply_batch and the offset to start at, null for the log''s beginning.';

CREATE FUNCTION deed.claim(consumer_group text, topic text, partition integer, topic_id uuid)
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
    SELECT CASE
      WHEN reset_position.consumer_group IS NOT NULL AND reset_position.topic IS NOT NULL
        AND reset_position.partition IS NOT NULL
      THEN pg_catalog.count(*) > 0 END
    FROM reset;
  END;
COMMENT ON FUNCTION deed.reset_position(text, text, integer, bigint) IS
  'Has a consumer group go on in a partition from this offset, null for the log''s beginning, whatever it has applied: for a topic that was re-created, a log that was cut, or a record to be passed over. What is read again changes nothing, what is passed over is lost. False when there is no such position; one below 0 is refused (23514).';

CREATE FUNCTION deed.reset_position(consumer_group text, topic text, partition integer)
  RETURNS boolean
  LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp
  RETURN deed.reset_position(consumer_group, topic, partition, NULL);
COMMENT ON FUNCTION deed.reset_position(text, text, integer) IS
  'The same from the log''s beginning.';
