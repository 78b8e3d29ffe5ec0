-- Every index beside the primary keys, with the question that it answers. Checks and lists read some
-- of them directly (src/pg/indexes.rs holds their expected shape), and the primary keys of
-- permission, membership and closure.

-- What is this recipient granted, from a level on? Answered from the index alone.
CREATE INDEX permission_by_recipient ON deed.permission (recipient_id, level, document_id)
  INCLUDE (expires_at) WHERE level IS NOT NULL;
COMMENT ON INDEX deed.permission_by_recipient IS
  'Lists: the documents of a recipient by id, and the trash. Checks: many documents at once.';

-- The same, newest first. Unique, but no primary key: those can't descend.
CREATE UNIQUE INDEX listing_newest_first
  ON deed.listing (recipient_id, level, last_modified DESC, document_id DESC) INCLUDE (expires_at);
COMMENT ON INDEX deed.listing_newest_first IS 'Lists: the documents of a recipient, newest first.';
-- Where a publication covers the table, Postgres refuses updates of rows without one.
ALTER TABLE deed.listing REPLICA IDENTITY USING INDEX listing_newest_first;

-- Is this one of the few documents on which nobody has a level? Each document with a permission
-- has a row, so a document that is absent here is created and not deleted.
CREATE INDEX document_not_live ON deed.document (id)
  WHERE created_at IS NULL OR deleted_at IS NOT NULL;
COMMENT ON INDEX deed.document_not_live IS 'Checks: documents not created yet, or deleted.';

-- Is this principal a user? Not in the primary key, which others may refer to.
CREATE INDEX principal_kind ON deed.principal (id) INCLUDE (kind);
COMMENT ON INDEX deed.principal_kind IS 'Checks: who is in users.';

-- Is this one of the few principals that are removed?
CREATE INDEX principal_removed ON deed.principal (id) WHERE removed_at IS NOT NULL;
COMMENT ON INDEX deed.principal_removed IS 'Checks: principals through which nothing passes.';

-- Which principals hold for others?
CREATE INDEX principal_node ON deed.principal (id) WHERE node;
COMMENT ON INDEX deed.principal_node IS 'Lists: the groups and links among the recipients of a document.';

-- Whose token is this? Not unique, for a constraint on event data could refuse a fact.
CREATE INDEX principal_by_token ON deed.principal (token_sha256) WHERE token_sha256 IS NOT NULL;
COMMENT ON INDEX deed.principal_by_token IS 'Share links: the identity that a token stands for.';

-- Which share links were promoted to this principal?
CREATE INDEX principal_by_promotion ON deed.principal (promoted_to, id)
  WHERE promoted_to IS NOT NULL;
COMMENT ON INDEX deed.principal_by_promotion IS 'Checks: the links that a user took over.';

-- Which links were promoted, and to whom?
CREATE INDEX principal_promoted ON deed.principal (id, promoted_to)
  WHERE promoted_to IS NOT NULL;
COMMENT ON INDEX deed.principal_promoted IS 'Lists: the users that hold what a link is granted.';

-- In which groups is this principal?
CREATE INDEX membership_by_member ON deed.membership (member_id, group_id) WHERE NOT removed;
COMMENT ON INDEX deed.membership_by_member IS 'Checks: the groups that a principal is in.';

-- Who reaches this group?
CREATE INDEX closure_by_group ON deed.closure (group_id, member_id);
COMMENT ON INDEX deed.closure_by_group IS
  'Applying: whose closure changes with that of a group. Checks: how a principal of many groups reaches one of few recipients.';

-- Who has passed this place in Kafka? Without next_offset, so that moving it stays within its page.
CREATE INDEX stream_position_by_topic ON deed.stream_position (topic, partition);
COMMENT ON INDEX deed.stream_position_by_topic IS 'Freshness: the positions of a partition, of all consumer groups.';

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
