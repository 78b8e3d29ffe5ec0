-- The name of a C symbol ends with the version in which its meaning last changed. So a session that
-- still runs an older library fails after ALTER EXTENSION deed UPDATE (42883), and does not answer or
-- write by older rules.
--
-- Functions that run SQL inside have sequential scans off: their plans are kept for the session, and one that
-- was made while the tables were empty would stay when they are large, for growth alone tells nobody.

-- Built-in recipients

CREATE FUNCTION deed.everyone() RETURNS uuid
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN '00000000-0000-0000-0000-000000000001'::uuid;
COMMENT ON FUNCTION deed.everyone() IS
  'The built-in recipient that every principal is in, visitors without identity included.';

CREATE FUNCTION deed.users() RETURNS uuid
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN '00000000-0000-0000-0000-000000000002'::uuid;
COMMENT ON FUNCTION deed.users() IS
  'The built-in recipient that every registered user is in who is not removed.';

CREATE FUNCTION deed.current_principal() RETURNS uuid
  LANGUAGE sql STABLE PARALLEL SAFE
  RETURN coalesce(
    nullif(pg_catalog.current_setting('deed.principal', true), '')::uuid,
    (nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid);
COMMENT ON FUNCTION deed.current_principal() IS
  'The principal that this session speaks for: the setting deed.principal, else the claim sub of request.jwt.claims. A claim of the session itself: whoever runs free SQL can be anyone.';

-- Checks. They read indexes directly, under the calling statement's snapshot, and write
-- nothing. Reading an index passes neither grants nor row security on the tables: EXECUTE is the
-- permission. Costs are in units of cpu_operator_cost: docs/PERFORMANCE.md has the measured ones.

CREATE FUNCTION deed.has_permission(principal uuid, document uuid, level deed.permission_level)
  RETURNS boolean
  LANGUAGE c STABLE STRICT PARALLEL SAFE COST 200
  AS 'MODULE_PATHNAME', 'deed_has_permission_0_2';
COMMENT ON FUNCTION deed.has_permission(uuid, uuid, deed.permission_level) IS
  'Whether the principal holds at least this level on the document: by name, through groups and links that it took over, through everyone or users. An unknown document or a removed principal gives false.';

CREATE FUNCTION deed.effective_level(principal uuid, document uuid)
  RETURNS deed.permission_level
  LANGUAGE c STABLE STRICT PARALLEL SAFE COST 200
  AS 'MODULE_PATHNAME', 'deed_effective_level_0_2';
COMMENT ON FUNCTION deed.effective_level(uuid, uuid) IS
  'The level that the principal holds on the document, or null.';

CREATE FUNCTION deed.check_many(
    principal uuid, documents uuid[], level deed.permission_level)
  RETURNS TABLE (document_id uuid, allowed boolean)
  LANGUAGE c STABLE PARALLEL SAFE COST 20000 ROWS 100
  AS 'MODULE_PATHNAME', 'deed_check_many_0_3';
COMMENT ON FUNCTION deed.check_many(uuid, uuid[], deed.permission_level) IS
  'Whether the principal holds at least this level on each of the documents, in the order asked. Null for a document that is null; no rows when an argument is.';

-- The same for the current principal. Plain SQL, so that the planner puts the body in the place of
-- the call and nothing of it is left at run time; so callers need EXECUTE on what the body calls
-- too. Not STRICT and without SET, either of which would keep it from being inlined.

CREATE FUNCTION deed.has_permission(document uuid, level deed.permission_level)
  RETURNS boolean
  LANGUAGE sql STABLE PARALLEL SAFE COST 210
  RETURN deed.has_permission(deed.current_principal(), document, level);
COMMENT ON FUNCTION deed.has_permission(uuid, deed.permission_level) IS
  'Whether deed.current_principal() holds at least this level on the document; null, which a row policy takes for false, when there is none.';

CREATE FUNCTION deed.effective_level(document uuid)
  RETURNS deed.permission_level
  LANGUAGE sql STABLE PARALLEL SAFE COST 210
  RETURN deed.effective_level(deed.current_principal(), document);
COMMENT ON FUNCTION deed.effective_level(uuid) IS
  'The level that deed.current_principal() holds on the document, or null; null too when there is none.';

-- Why. A strict function that returns rows has none for a null argument.

CREATE FUNCTION deed.explain_permission(principal uuid, document uuid)
  RETURNS TABLE (level deed.permission_level, counts boolean, reason text,
    recipient_id uuid, recipient_type deed.permission_recipient,
    via uuid[], promoted_from uuid,
    granted_by uuid, granted_at timestamptz, expires_at timestamptz)
  LANGUAGE c STABLE STRICT PARALLEL RESTRICTED SECURITY DEFINER COST 10000 ROWS 10
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_explain_permission_0_3';
COMMENT ON FUNCTION deed.explain_permission(uuid, uuid) IS
  'Each path from the principal to a grant on the document, and whether and why it counts or not: those that count first, then the greater level, then the shorter path; at most 1000. The first row says the effective level, if it counts.';

-- Lists. A page shorter than page_size is the last; a row's cursor continues behind that row.

CREATE FUNCTION deed.list_documents(
    principal uuid,
    level deed.permission_level DEFAULT 'viewer',
    sort deed.document_sort DEFAULT 'last_modified',
    after text DEFAULT NULL,
    page_size integer DEFAULT 50)
  RETURNS TABLE (document_id uuid, level deed.permission_level, title text,
    created_at timestamptz, created_by uuid,
    last_modified timestamptz, last_modified_by uuid, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_list_documents_0_2';
COMMENT ON FUNCTION deed.list_documents(uuid, deed.permission_level, deed.document_sort, text, integer) IS
  'The documents on which the principal holds at least this level, with the level it holds. page_size is 1 to 1000; after is the cursor of the last row seen.';

CREATE FUNCTION deed.list_permissions(
    document uuid, after text DEFAULT NULL, page_size integer DEFAULT 50)
  RETURNS TABLE (recipient_id uuid, recipient_type deed.permission_recipient,
    name text, description text, level deed.permission_level,
    granted_by uuid, granted_at timestamptz, expires_at timestamptz, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_list_permissions_0_2';
COMMENT ON FUNCTION deed.list_permissions(uuid, text, integer) IS
  'The permissions on the document that are neither revoked nor expired and whose recipient is not removed, by recipient. page_size is 1 to 1000; after is the cursor of the last row seen.';

CREATE FUNCTION deed.list_principals(
    document uuid,
    level deed.permission_level DEFAULT 'viewer',
    after text DEFAULT NULL,
    page_size integer DEFAULT 50)
  RETURNS TABLE (principal_id uuid, recipient_type deed.permission_recipient,
    name text, description text, level deed.permission_level, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_list_principals_0_2';
COMMENT ON FUNCTION deed.list_principals(uuid, deed.permission_level, text, integer) IS
  'Who holds at least this level on the document, by id, with the level it holds: principals that are no groups, reached by name, link or group; everyone and users as themselves. page_size is 1 to 1000; after is the cursor of the last row seen.';

CREATE FUNCTION deed.list_members(
    group_id uuid, after text DEFAULT NULL, page_size integer DEFAULT 50)
  RETURNS TABLE (member_id uuid, recipient_type deed.permission_recipient, name text, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_list_members_0_2';
COMMENT ON FUNCTION deed.list_members(uuid, text, integer) IS
  'The direct members of the group that are not removed, by id; none of a removed group. page_size is 1 to 1000; after is the cursor of the last row seen.';

CREATE FUNCTION deed.list_deleted(
    principal uuid, after text DEFAULT NULL, page_size integer DEFAULT 50)
  RETURNS TABLE (document_id uuid, title text, created_at timestamptz, created_by uuid,
    last_modified timestamptz, last_modified_by uuid,
    deleted_at timestamptz, deleted_by uuid, cursor text)
  LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER COST 1000 ROWS 50
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_list_deleted_0_2';
COMMENT ON FUNCTION deed.list_deleted(uuid, text, integer) IS
  'The documents in the trash that the principal would own again if they were restored, last deleted first. page_size is 1 to 1000; after is the cursor of the last row seen.';

CREATE FUNCTION deed.document(document uuid)
  RETURNS TABLE (id uuid, title text, metadata jsonb, content jsonb,
    created_at timestamptz, created_by uuid,
    last_modified timestamptz, last_modified_by uuid, deleted_at timestamptz)
  LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 1
  SET search_path = pg_catalog, pg_temp
  BEGIN ATOMIC
    SELECT d.id, d.title, d.metadata, d.content, d.created_at, d.created_by,
      d.last_modified, d.last_modified_by, d.deleted_at
    FROM deed.document AS d
    WHERE d.id = document.document AND d.created_at IS NOT NULL;
  END;
COMMENT ON FUNCTION deed.document(uuid) IS
  'The document, whoever asks and also when it is deleted; no row when it is not created.';

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

CREATE FUNCTION deed.redrive(ids bigint[])
  RETURNS TABLE (id bigint, outcome deed.apply_outcome, reason text)
  LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER COST 100000 ROWS 100
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_redrive_0_5';
COMMENT ON FUNCTION deed.redrive(bigint[]) IS
  'Applies quarantined records once more, as one batch. What can be read now leaves quarantine, for any order gives the same answer; what can''t be stays there with its reason. Ids that are not there give no row.';

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

CREATE FUNCTION deed.reset_position(consumer_group text, topic text, partition integer)
  RETURNS boolean
  LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp
  RETURN deed.reset_position(consumer_group, topic, partition, NULL);
COMMENT ON FUNCTION deed.reset_position(text, text, integer) IS
  'The same from the log''s beginning.';

-- Events out: watches, and what the relay does

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
