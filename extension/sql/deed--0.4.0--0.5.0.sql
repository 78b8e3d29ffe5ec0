-- From 0.4.0 to 0.5.0: what changes is told, through an outbox; levels are watched; expired permissions leave the
-- lists.
--
-- Applying by 0.4.0's library would tell nothing, so it fails: a call that comes later with 42883, one that has begun
-- and waits here with 42703, for a column that its first statement names has another name. Both are repeated on a new
-- connection. Checks and lists go on. What had expired before is told by the first relay, and leaves the lists then.

-- Nothing here may revoke from, or grant on, what 0.4.0 made: inside an extension's script that would
-- make the roles' present grants part of the extension, and pg_dump would leave them out.

-- Applying locks documents before principals, checks the other way round, so there is no order in which this
-- could wait without a deadlock. It waits a twentieth of a second for each table instead, gives back what it has, and tries
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
      LOCK TABLE deed.document, deed.principal, deed.permission IN ACCESS EXCLUSIVE MODE;
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

ALTER TABLE deed.document RENAME COLUMN deletion_version TO deleted_version;
ALTER TABLE deed.principal RENAME COLUMN removal_version TO removed_version;

ALTER TABLE deed.permission ADD COLUMN expired boolean NOT NULL DEFAULT false;
ALTER TABLE deed.permission ALTER COLUMN expired DROP DEFAULT;
COMMENT ON COLUMN deed.permission.expired IS
  'Whether that time had passed when it was written, or its passing has been told since.';

COMMENT ON TABLE deed.listing IS
  'The permissions in the order in which a recipient''s documents are listed. Derived: one row for each that is neither revoked nor expired (permission.expired), on a document that is created and not deleted, or wide. Written under the document''s row lock alone.';

CREATE TYPE deed.mark_kind AS ENUM ('group', 'principal', 'document', 'pair', 'owner', 'owned');
COMMENT ON TYPE deed.mark_kind IS
  'What the relay must look at: members of a principal whose reach changed; watched levels of one principal, on one document, or one alone; whether the documents that a principal owns have another owner, or one document has any.';

-- What goes out, and who waits for it.

CREATE TABLE deed.outbox (
  seq           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id            uuid NOT NULL,
  aggregatetype text NOT NULL,
  aggregateid   uuid NOT NULL,
  type          text NOT NULL,
  payload       jsonb NOT NULL,
  at            timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
) WITH (
  -- It empties as it fills: what is left behind is taken away by count, not by share.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 50000
);
COMMENT ON TABLE deed.outbox IS
  'Events that wait to go out, written in the transaction that changed what they tell of. All visible rows in the order of seq are in order for each aggregateid; a row may become visible behind greater ones, so never read on from the last one seen. id, aggregatetype, aggregateid, type and payload are what Debezium''s outbox event router expects.';
COMMENT ON COLUMN deed.outbox.seq IS 'Drawn under the lock that orders what is told of the aggregate.';
COMMENT ON COLUMN deed.outbox.id IS 'The event''s id: the same for the same change.';
COMMENT ON COLUMN deed.outbox.aggregatetype IS 'document, group or principal.';
COMMENT ON COLUMN deed.outbox.aggregateid IS 'The document, group or principal: the event''s subject, and the record''s key.';
COMMENT ON COLUMN deed.outbox.type IS 'The event''s type.';
COMMENT ON COLUMN deed.outbox.payload IS 'The event''s data.';
COMMENT ON COLUMN deed.outbox.at IS 'The event''s time: when it was told of.';

CREATE TABLE deed.mark (
  kind       deed.mark_kind NOT NULL,
  seq        bigint GENERATED ALWAYS AS IDENTITY,
  subject_id uuid NOT NULL,
  other_id   uuid,
  looked_at  uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  cause      bytea,
  PRIMARY KEY (kind, seq)
) WITH (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 50000
);
COMMENT ON TABLE deed.mark IS
  'Where the relay must look, after the commit of whoever wrote the mark: changes that may concern any number of documents, or that two transactions bring about together.';
COMMENT ON COLUMN deed.mark.subject_id IS 'A principal for group, principal and owner, else a document.';
COMMENT ON COLUMN deed.mark.other_id IS 'The principal of a pair.';
COMMENT ON COLUMN deed.mark.looked_at IS 'Up to which member, document or principal it has been looked at.';
COMMENT ON COLUMN deed.mark.cause IS 'The version of the event that is why; null for an expiry or a new watch.';

CREATE TABLE deed.lease (
  document_id  uuid NOT NULL,
  principal_id uuid NOT NULL,
  watcher      text NOT NULL,
  until        timestamptz NOT NULL,
  PRIMARY KEY (document_id, principal_id, watcher)
) WITH (
  -- Each prolonging leaves a dead row.
  autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000
);
COMMENT ON TABLE deed.lease IS 'Who watches which level, and until when.';
COMMENT ON COLUMN deed.lease.watcher IS 'The name that deed.watch was given.';

CREATE TABLE deed.watched (
  document_id  uuid NOT NULL,
  principal_id uuid NOT NULL,
  level        deed.permission_level,
  PRIMARY KEY (document_id, principal_id)
);
COMMENT ON TABLE deed.watched IS
  'The pairs that are watched. Written under the document''s row lock alone.';
COMMENT ON COLUMN deed.watched.level IS
  'The effective level that was told last; null is none. The next event''s old level.';

CREATE TABLE deed.orphan (
  document_id uuid PRIMARY KEY
);
COMMENT ON TABLE deed.orphan IS
  'The documents that were told to be orphaned and have got no owner since. Written under the document''s row lock alone; deed.orphaned_documents says which are orphaned now.';

CREATE TABLE deed.relay (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  outbox   uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
  relay    uuid NOT NULL,
  until    timestamptz NOT NULL
);
COMMENT ON TABLE deed.relay IS
  'At most one row: the relay that empties the outbox, as long as it says so often enough.';
COMMENT ON COLUMN deed.relay.outbox IS 'What tells this outbox from all others.';
COMMENT ON COLUMN deed.relay.relay IS 'The name that the relay gave itself.';
COMMENT ON COLUMN deed.relay.until IS 'From then on another one may take over.';

-- Which permissions have reached their expiry, and nobody told of it?
CREATE INDEX permission_to_expire ON deed.permission (expires_at)
  WHERE expires_at IS NOT NULL AND NOT expired;
COMMENT ON INDEX deed.permission_to_expire IS 'Events out: the permissions that expire next.';

-- Which levels of this principal are watched?
CREATE INDEX watched_by_principal ON deed.watched (principal_id, document_id);
COMMENT ON INDEX deed.watched_by_principal IS 'Events out: the documents on which a principal''s level is watched.';

-- Which watches have ended?
CREATE INDEX lease_by_end ON deed.lease (until);
COMMENT ON INDEX deed.lease_by_end IS 'Events out: the leases that end next.';

-- Asked for single documents now: what they need not know is not computed.
CREATE OR REPLACE VIEW deed.orphaned_documents AS
  SELECT d.id AS document_id, d.title,
    -- A producer's clock may be ahead of this one.
    least(greatest(d.created_at, (
        SELECT pg_catalog.max(greatest(p.granted_at,
          CASE WHEN p.level = 'owner' THEN greatest(r.removed_at,
            CASE WHEN p.expires_at <= pg_catalog.statement_timestamp() THEN p.expires_at END) END))
        FROM deed.permission AS p LEFT JOIN deed.principal AS r ON r.id = p.recipient_id
        WHERE p.document_id = d.id AND p.recipient_id NOT IN (deed.everyone(), deed.users()))),
      pg_catalog.statement_timestamp()) AS since
  FROM deed.document AS d
  WHERE d.created_at IS NOT NULL AND d.deleted_at IS NULL AND NOT EXISTS (
    SELECT FROM deed.permission AS p
    WHERE p.document_id = d.id AND p.level = 'owner'
      AND p.recipient_id NOT IN (deed.everyone(), deed.users())
      AND (p.expires_at IS NULL OR p.expires_at > pg_catalog.statement_timestamp())
      AND NOT EXISTS (
        SELECT FROM deed.principal AS r WHERE r.id = p.recipient_id AND r.removed_at IS NOT NULL));

CREATE OR REPLACE FUNCTION deed.apply(event jsonb) RETURNS deed.apply_outcome
  LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER COST 10000
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_apply_0_5';

CREATE OR REPLACE FUNCTION deed.apply_batch(
    consumer_group text, topic text, partition integer, epoch bigint,
    continues_from bigint, next_offset bigint,
    offsets bigint[], timestamps bigint[], keys bytea[],
    header_counts integer[], header_names bytea[], header_values bytea[],
    payloads bytea[])
  RETURNS TABLE (type text, outcome deed.apply_outcome, events bigint)
  LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER COST 100000 ROWS 10
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_apply_batch_0_5';

CREATE OR REPLACE FUNCTION deed.redrive(ids bigint[])
  RETURNS TABLE (id bigint, outcome deed.apply_outcome, reason text)
  LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER COST 100000 ROWS 100
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
  AS 'MODULE_PATHNAME', 'deed_redrive_0_5';

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
  'Takes the events that are published out of the outbox, and gives the next ones, in order. They stay there until they are published.';

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

REVOKE ALL ON FUNCTION
  deed.watch(uuid, uuid, timestamptz, text), deed.unwatch(uuid, uuid, text), deed.settle(uuid),
  deed.next_events(bigint[], integer), deed.outbox_id(), deed.release_relay(uuid)
FROM PUBLIC;
REVOKE ALL ON deed.outbox, deed.mark, deed.lease, deed.watched, deed.orphan, deed.relay FROM PUBLIC;
REVOKE ALL ON TYPE deed.mark_kind FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('deed.outbox', '');
SELECT pg_catalog.pg_extension_config_dump('deed.outbox_seq_seq', '');
SELECT pg_catalog.pg_extension_config_dump('deed.mark', '');
SELECT pg_catalog.pg_extension_config_dump('deed.mark_seq_seq', '');
SELECT pg_catalog.pg_extension_config_dump('deed.lease', '');
SELECT pg_catalog.pg_extension_config_dump('deed.watched', '');
SELECT pg_catalog.pg_extension_config_dump('deed.orphan', '');
