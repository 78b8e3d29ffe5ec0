-- Registers: each value stands beside the version of the event that set it. A null version means
-- that no event has set the register yet. Event data meets no constraint but the keys, so that
-- applying can't fail on it.

CREATE TABLE deed.document (
  id                uuid PRIMARY KEY,
  creation_version  bytea,
  created_at        timestamptz,
  created_by        uuid,
  title_version     bytea,
  title             text,
  metadata_version  bytea,
  metadata          jsonb,
  content_version   bytea,
  content           jsonb,
  deleted_version   bytea,
  deleted_at        timestamptz,
  deleted_by        uuid,
  last_modified     timestamptz,
  last_modified_by  uuid,
  purged            boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE deed.document IS
  'One row a document, also for one that has permissions but is not created yet. Its row lock orders everything that concerns the document.';
-- What is kept of a sample of ids, the planner would tell by its estimates: also to those who see the documents
-- through a view that hides some. Estimates need nothing but that ids are unique.
ALTER TABLE deed.document ALTER COLUMN id SET STATISTICS 0;
COMMENT ON COLUMN deed.document.creation_version IS 'Version of the greatest document.created.';
COMMENT ON COLUMN deed.document.deleted_version IS 'Version of what deleted_at says.';
COMMENT ON COLUMN deed.document.deleted_at IS 'When it was deleted; null while it is not.';
COMMENT ON COLUMN deed.document.last_modified IS
  'Time of the greatest of creation, title, metadata and content; it only grows.';
COMMENT ON COLUMN deed.document.purged IS
  'Nothing but the id is kept, and no event changes that any more.';

CREATE TABLE deed.principal (
  id                  uuid PRIMARY KEY,
  kind_version        bytea,
  kind                deed.permission_recipient,
  name_version        bytea,
  name                text,
  description_version bytea,
  description         text,
  token_version       bytea,
  token_sha256        bytea,
  removed_version     bytea,
  removed_at          timestamptz,
  removed_by          uuid,
  promotion_version   bytea,
  promoted_to         uuid,
  -- Without a default, so that an older library can't write rows that don't say it.
  node                boolean NOT NULL
);
COMMENT ON TABLE deed.principal IS
  'One row a principal that an event was about, at either end of a membership or promotion. Its row lock orders everything that concerns the principal but its permissions. A recipient needs no row here to hold one.';
COMMENT ON COLUMN deed.principal.removed_at IS 'When it was removed; null while it is not.';
COMMENT ON COLUMN deed.principal.promoted_to IS
  'The principal that took this share-link identity over, and holds what it holds.';
COMMENT ON COLUMN deed.principal.node IS
  'Whether anybody is or was a member of it, or it was promoted: whether its permissions may be others'' too. Derived; it never turns back.';
COMMENT ON COLUMN deed.principal.token_sha256 IS
  'SHA-256 of the token of a share link; not unique, for a constraint on event data could refuse a fact.';

CREATE TABLE deed.permission (
  document_id  uuid NOT NULL,
  recipient_id uuid NOT NULL,
  version      bytea NOT NULL,
  level        deed.permission_level,
  granted_by   uuid,
  granted_at   timestamptz NOT NULL,
  expires_at   timestamptz,
  -- Without a default, so that an older library can't write rows that don't say it.
  expired      boolean NOT NULL,
  -- Checks are answered from this index alone.
  PRIMARY KEY (document_id, recipient_id) INCLUDE (level, expires_at)
);
COMMENT ON TABLE deed.permission IS
  'What one recipient holds on one document. Written under the document''s row lock alone.';
COMMENT ON COLUMN deed.permission.level IS 'Null is the tombstone that a revoke leaves.';
COMMENT ON COLUMN deed.permission.granted_by IS 'Who granted it, or revoked it where level is null.';
COMMENT ON COLUMN deed.permission.granted_at IS 'Time of the grant, or of the revoke where level is null.';
COMMENT ON COLUMN deed.permission.expires_at IS 'From then on it does not count; null is never.';
COMMENT ON COLUMN deed.permission.expired IS
  'Whether that time had passed when it was written, or its passing has been told since.';

CREATE TABLE deed.membership (
  group_id   uuid NOT NULL,
  member_id  uuid NOT NULL,
  version    bytea NOT NULL,
  removed    boolean NOT NULL,
  changed_by uuid,
  changed_at timestamptz NOT NULL,
  -- Who is in a group is answered from this index alone.
  PRIMARY KEY (group_id, member_id) INCLUDE (removed)
);
COMMENT ON TABLE deed.membership IS
  'Whether one principal is a member of another. Written under the row locks of both.';
COMMENT ON COLUMN deed.membership.removed IS 'The tombstone that a removal leaves.';

-- Derived from the registers, in the transaction that changes them.

CREATE TABLE deed.listing (
  recipient_id  uuid NOT NULL,
  level         deed.permission_level NOT NULL,
  last_modified timestamptz NOT NULL,
  document_id   uuid NOT NULL,
  expires_at    timestamptz
) WITH (
  -- Pages read past rows that have moved until vacuum takes them away.
  autovacuum_vacuum_scale_factor = 0.01
);
COMMENT ON TABLE deed.listing IS
  'The permissions in the order in which a recipient''s documents are listed. Derived: one row for each that is neither revoked nor expired (permission.expired), on a document that is created and not deleted, or wide. Written under the document''s row lock alone.';
COMMENT ON COLUMN deed.listing.last_modified IS
  'Of the document; infinity for a wide one (over 100 permissions, revoked ones included), whose rows an update would take too long to move: such a document is looked up and sorted when it is read, and its rows are there while it is not created or deleted.';

CREATE TABLE deed.closure (
  member_id uuid NOT NULL,
  group_id  uuid NOT NULL,
  PRIMARY KEY (member_id, group_id)
);
COMMENT ON TABLE deed.closure IS
  'For each principal that has or had members, or a user that it was promoted to: all groups and links that it reaches over one edge or more, none of them through a removed principal. Derived from memberships and promotions; principals that only hold, as users do, are not in member_id. Written under closure_lock alone.';

CREATE TABLE deed.closure_lock (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
COMMENT ON TABLE deed.closure_lock IS
  'At most one row, whose lock comes after all others and orders those who write deed.closure.';

-- What goes out, and who waits for it.

CREATE TABLE deed.outbox (
  seq           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id            uuid NOT NULL,
  aggregatetype text NOT NULL,
  aggregateid   uuid NOT NULL,
  type          text NOT NULL,
  payload       jsonb NOT NULL,
  at            timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  traceparent   text
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
COMMENT ON COLUMN deed.outbox.traceparent IS
  'The trace that the inbound event came in, where it was in one (W3C Trace Context).';

CREATE TABLE deed.mark (
  kind       deed.mark_kind NOT NULL,
  seq        bigint GENERATED ALWAYS AS IDENTITY,
  subject_id uuid NOT NULL,
  other_id   uuid,
  looked_at  uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  cause      bytea,
  traceparent text,
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
COMMENT ON COLUMN deed.mark.traceparent IS 'The trace that this event came in, where it was in one.';

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

CREATE TABLE deed.stream_position (
  consumer_group text NOT NULL,
  topic          text NOT NULL,
  partition      integer NOT NULL,
  topic_id       uuid,
  next_offset    bigint CONSTRAINT next_offset_is_null_or_from_0 CHECK (next_offset >= 0),
  epoch          bigint NOT NULL,
  owner          text,
  claimed_at     timestamptz,
  stopped_for    text,
  stopped_at     timestamptz,
  PRIMARY KEY (consumer_group, topic, partition)
);
COMMENT ON TABLE deed.stream_position IS
  'Where each consumer group goes on in each partition; committed together with what was applied.';
COMMENT ON COLUMN deed.stream_position.topic_id IS
  'The topic''s id in Kafka, which a re-created topic does not share; null after deed.reset_position.';
COMMENT ON COLUMN deed.stream_position.next_offset IS
  'The first offset not yet applied; null is the log''s beginning.';
COMMENT ON COLUMN deed.stream_position.epoch IS
  'Counts owners: a batch of an earlier owner is refused.';
COMMENT ON COLUMN deed.stream_position.owner IS
  'What the last process to claim it calls itself; null where it has no name.';
COMMENT ON COLUMN deed.stream_position.claimed_at IS 'When it did.';
COMMENT ON COLUMN deed.stream_position.stopped_for IS
  'Why its owner applies nothing of it until an operator decides; null while it does.';
COMMENT ON COLUMN deed.stream_position.stopped_at IS 'Since when it does not.';

CREATE TABLE deed.quarantine (
  id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic            text NOT NULL,
  topic_id         uuid NOT NULL,
  partition        integer NOT NULL,
  record_offset    bigint NOT NULL,
  record_timestamp bigint NOT NULL,
  record_key       bytea,
  headers          jsonb NOT NULL,
  payload          bytea,
  reason           text NOT NULL,
  at               timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  UNIQUE (topic_id, partition, record_offset)
);
COMMENT ON TABLE deed.quarantine IS
  'Records that could not be read as an event, whole, once each however often they are consumed.';
COMMENT ON COLUMN deed.quarantine.record_timestamp IS 'Kafka''s timestamp: milliseconds since 1970, or -1.';
COMMENT ON COLUMN deed.quarantine.headers IS
  'In order, [{"name", "value"}]; what is not storable as text stands under "name_base64" or "value_base64". A null value is null.';
COMMENT ON COLUMN deed.quarantine.reason IS 'The field that is wrong, and what was expected of it.';

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
  reason           text NOT NULL,
  id               uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid()
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
COMMENT ON COLUMN deed.dead_letter.id IS
  'What tells it from all others: behind a failover to an older state another one may have the same seq.';
