-- The documents themselves. Part of setup.sql.

CREATE OR REPLACE FUNCTION deed_http.document_level(document uuid) RETURNS text
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN deed_http.level(deed.current_principal(), document);
EXCEPTION WHEN OTHERS THEN
  PERFORM deed_http.hide(SQLSTATE, SQLERRM);
  RAISE;
END
$$;
COMMENT ON FUNCTION deed_http.document_level(uuid) IS
  'What the caller holds on a document, for the view api.documents: a function in a view needs the caller''s EXECUTE.';

-- Over two relations, so that PostgREST offers no writes to it. Values pass through a subquery of their own,
-- behind which the planner knows nothing of them: or its estimates, which a count asks for, would tell
-- which titles are frequent among hidden documents too.
CREATE OR REPLACE VIEW api.documents WITH (security_barrier = true) AS
SELECT d.id, v.title, v.metadata, v.content, v.level,
  v.created_at, v.created_by, v.last_modified, v.last_modified_by
FROM deed.document AS d
CROSS JOIN LATERAL (
  SELECT d.title, d.metadata, d.content, deed_http.document_level(d.id) AS level,
    d.created_at, d.created_by, d.last_modified, d.last_modified_by
  OFFSET 0) AS v
WHERE d.created_at IS NOT NULL AND d.deleted_at IS NULL
  AND (v.level IS NOT NULL OR pg_catalog.current_setting('role') = 'deed_service');
COMMENT ON VIEW api.documents IS
$$Documents that the caller can see

Made for reads by id (id=eq.…). Without an id every document is tried, until the statement timeout. A service sees all that are not deleted.$$;
COMMENT ON COLUMN api.documents.id IS 'The document';
COMMENT ON COLUMN api.documents.title IS 'Title, or null';
COMMENT ON COLUMN api.documents.metadata IS 'Object as last sent by its producer, or null';
COMMENT ON COLUMN api.documents.content IS 'Any JSON as last sent by its producer, or null';
COMMENT ON COLUMN api.documents.level IS 'What the caller holds: viewer, editor or owner; null for a service that holds nothing';
COMMENT ON COLUMN api.documents.created_at IS 'When it was created';
COMMENT ON COLUMN api.documents.created_by IS 'Principal that created it';
COMMENT ON COLUMN api.documents.last_modified IS 'When title, metadata or content last changed';
COMMENT ON COLUMN api.documents.last_modified_by IS 'Principal that made that change';
