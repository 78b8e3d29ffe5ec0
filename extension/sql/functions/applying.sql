-- Applying. As the owner, so that EXECUTE is all that a caller needs.

CREATE FUNCTION deed.apply(event jsonb) RETURNS deed.apply_outcome
  LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER COST 10000
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_apply_0_5';
COMMENT ON FUNCTION deed.apply(jsonb) IS
  'Applies one CloudEvent in structured form. Idempotent; raises PD001 on a malformed event, its field in DETAIL.';

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

CREATE FUNCTION deed.apply_batch(
    consumer_group text, topic text, partition integer, epoch bigint,
    continues_from bigint, next_offset bigint,
    offsets bigint[], timestamps bigint[], keys bytea[],
    header_counts integer[], header_names bytea[], header_values bytea[],
    payloads bytea[])
  RETURNS TABLE (type text, outcome deed.apply_outcome, events bigint)
  LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER COST 100000 ROWS 10
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_apply_batch_0_5';
COMMENT ON FUNCTION deed.apply_batch(text, text, integer, bigint, bigint, bigint, bigint[], bigint[], bytea[], integer[], bytea[], bytea[], bytea[]) IS
  'The same as a consumer of 0.5.0 calls it: tolerant, and without a dead-letter topic. It goes with 0.7.0.';

CREATE FUNCTION deed.redrive(ids bigint[])
  RETURNS TABLE (id bigint, outcome deed.apply_outcome, reason text)
  LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER COST 100000 ROWS 100
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_redrive_0_5';
COMMENT ON FUNCTION deed.redrive(bigint[]) IS
  'Applies quarantined records once more, as one batch. What can be read now leaves quarantine, for any order gives the same answer; what can''t be stays there with its reason. Ids that are not there give no row.';
