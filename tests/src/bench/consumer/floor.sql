-- Takes the place of the extension's function in one database: it writes the rows of a batch that bench.fact and bench.listed hold
-- already, newer versions first, one typed upsert a kind of row. Nothing is parsed, locked or read before.
CREATE OR REPLACE FUNCTION deed.apply_batch(
    consumer_group text, topic text, partition integer, epoch bigint,
    continues_from bigint, next_offset bigint,
    offsets bigint[], timestamps bigint[], keys bytea[],
    header_counts integer[], header_names bytea[], header_values bytea[],
    payloads bytea[],
    tolerant boolean, dead_letter_topic text, refused_for text)
  RETURNS TABLE (type text, outcome deed.apply_outcome, events bigint)
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER
  -- Its plans are made while the tables are empty, and kept.
  SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
  p CONSTANT integer := partition;
  a CONSTANT bigint := offsets[1];
  z CONSTANT bigint := next_offset - 1;
BEGIN
  INSERT INTO deed.document AS t (id, creation_version, created_at, created_by,
    title_version, title, last_modified, last_modified_by)
  SELECT id, version, at, actor, version, word, at, actor FROM bench.fact AS n
  WHERE n.partition = p AND register = 'creation' AND record_offset BETWEEN a AND z ORDER BY id
  ON CONFLICT (id) DO UPDATE SET creation_version = excluded.creation_version,
    created_at = excluded.created_at, created_by = excluded.created_by,
    title_version = excluded.title_version, title = excluded.title,
    last_modified = excluded.last_modified, last_modified_by = excluded.last_modified_by
  WHERE t.creation_version IS NULL OR t.creation_version < excluded.creation_version;

  INSERT INTO deed.document AS t (id, title_version, title, last_modified, last_modified_by)
  SELECT DISTINCT ON (id) id, version, word, at, actor FROM bench.fact AS n
  WHERE n.partition = p AND register = 'title' AND record_offset BETWEEN a AND z ORDER BY id, version DESC
  ON CONFLICT (id) DO UPDATE SET title_version = excluded.title_version, title = excluded.title,
    last_modified = excluded.last_modified, last_modified_by = excluded.last_modified_by
  WHERE t.title_version IS NULL OR t.title_version < excluded.title_version;

  INSERT INTO deed.document AS t (id, deleted_version, deleted_at, deleted_by)
  SELECT DISTINCT ON (id) id, version, at, actor FROM bench.fact AS n
  WHERE n.partition = p AND register = 'deletion' AND record_offset BETWEEN a AND z ORDER BY id, version DESC
  ON CONFLICT (id) DO UPDATE SET deleted_version = excluded.deleted_version,
    deleted_at = excluded.deleted_at, deleted_by = excluded.deleted_by
  WHERE t.deleted_version IS NULL OR t.deleted_version < excluded.deleted_version;

  INSERT INTO deed.permission AS t
    (document_id, recipient_id, version, level, granted_by, granted_at, expired)
  SELECT DISTINCT ON (id, other) id, other, version, word::deed.permission_level, actor, at, false
  FROM bench.fact AS n
  WHERE n.partition = p AND register = 'permission' AND record_offset BETWEEN a AND z
  ORDER BY id, other, version DESC
  ON CONFLICT (document_id, recipient_id) DO UPDATE SET version = excluded.version,
    level = excluded.level, granted_by = excluded.granted_by,
    granted_at = excluded.granted_at, expires_at = NULL
  WHERE t.version < excluded.version;

  WITH change AS MATERIALIZED (
    SELECT DISTINCT ON (document_id, recipient_id) document_id, recipient_id, new_level, new_modified,
      first_value(old_level) OVER w AS old_level, first_value(old_modified) OVER w AS old_modified
    FROM bench.listed AS n WHERE n.partition = p AND record_offset BETWEEN a AND z
    WINDOW w AS (PARTITION BY document_id, recipient_id ORDER BY record_offset)
    ORDER BY document_id, recipient_id, record_offset DESC
  ), gone AS (
    DELETE FROM deed.listing AS l
    USING (SELECT * FROM change WHERE old_level IS NOT NULL AND new_level IS NULL OFFSET 0) AS o
    WHERE l.recipient_id = o.recipient_id AND l.level = o.old_level
      AND l.last_modified = o.old_modified AND l.document_id = o.document_id
  ), moved AS (
    UPDATE deed.listing AS l SET level = o.new_level, last_modified = o.new_modified
    FROM (SELECT * FROM change WHERE old_level IS NOT NULL AND new_level IS NOT NULL OFFSET 0) AS o
    WHERE l.recipient_id = o.recipient_id AND l.level = o.old_level
      AND l.last_modified = o.old_modified AND l.document_id = o.document_id
  )
  INSERT INTO deed.listing (recipient_id, level, last_modified, document_id)
  SELECT recipient_id, new_level, new_modified, document_id FROM change
  WHERE old_level IS NULL AND new_level IS NOT NULL ORDER BY recipient_id, document_id;

  INSERT INTO deed.principal AS t (id, kind_version, kind, name_version, name, node)
  SELECT id, version, (CASE WHEN register = 'user' THEN 'user' ELSE 'group' END)::deed.permission_recipient,
    version, word, false
  FROM bench.fact AS n
  WHERE n.partition = p AND register IN ('user', 'group') AND record_offset BETWEEN a AND z ORDER BY id
  ON CONFLICT (id) DO UPDATE SET kind_version = excluded.kind_version, kind = excluded.kind,
    name_version = excluded.name_version, name = excluded.name
  WHERE t.kind_version IS NULL OR t.kind_version < excluded.kind_version;

  INSERT INTO deed.principal AS t (id, name_version, name, node)
  SELECT DISTINCT ON (id) id, version, word, false FROM bench.fact AS n
  WHERE n.partition = p AND register = 'name' AND record_offset BETWEEN a AND z ORDER BY id, version DESC
  ON CONFLICT (id) DO UPDATE SET name_version = excluded.name_version, name = excluded.name
  WHERE t.name_version IS NULL OR t.name_version < excluded.name_version;

  INSERT INTO deed.membership AS t (group_id, member_id, version, removed, changed_by, changed_at)
  SELECT DISTINCT ON (id, other) id, other, version, word = 'removed', actor, at FROM bench.fact AS n
  WHERE n.partition = p AND register = 'membership' AND record_offset BETWEEN a AND z
  ORDER BY id, other, version DESC
  ON CONFLICT (group_id, member_id) DO UPDATE SET version = excluded.version,
    removed = excluded.removed, changed_by = excluded.changed_by, changed_at = excluded.changed_at
  WHERE t.version < excluded.version;

  INSERT INTO deed.principal AS t (id, node)
  SELECT DISTINCT id, true FROM bench.fact AS n
  WHERE n.partition = p AND register = 'membership' AND record_offset BETWEEN a AND z ORDER BY id
  ON CONFLICT (id) DO UPDATE SET node = true WHERE NOT t.node;

  -- Events of the usual size; their ids and data would be finished too.
  INSERT INTO deed.outbox (id, aggregatetype, aggregateid, type, payload)
  SELECT DISTINCT ON (id, other) id, 'document', id,
    CASE register WHEN 'permission' THEN 'deed.permission.updated' WHEN 'deletion' THEN 'deed.document.deleted'
      ELSE 'deed.group.updated' END,
    jsonb_build_object('recipient', other, 'recipient_type', NULL, 'old_level', NULL, 'new_level', word,
      'expires_at', NULL, 'cause', jsonb_build_object('source', '/bench', 'id', actor))
  FROM bench.fact AS n
  WHERE n.partition = p AND register IN ('permission', 'deletion', 'membership') AND record_offset BETWEEN a AND z
  ORDER BY id, other, version DESC;

  INSERT INTO deed.mark (kind, subject_id, cause)
  SELECT DISTINCT ON (kind, subject) kind, subject, version
  FROM bench.mark AS n WHERE n.partition = p AND record_offset BETWEEN a AND z
  ORDER BY kind, subject, version DESC;

  UPDATE deed.stream_position AS s SET next_offset = z + 1
  WHERE s.consumer_group = apply_batch.consumer_group AND s.topic = apply_batch.topic
    AND s.partition = p AND s.epoch = apply_batch.epoch;
  RETURN QUERY SELECT NULL::text, 'applied'::deed.apply_outcome, cardinality(offsets)::bigint;
END
$$;
