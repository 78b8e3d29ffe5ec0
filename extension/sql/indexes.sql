-- Every index beside the primary keys, with the question that it answers. The checks read the two
-- of them directly (src/pg/catalog.rs holds their expected shape).

-- What does this principal hold on this document? Answered from the index alone.
CREATE INDEX permission_by_recipient ON deed.permission (recipient_id, document_id)
  INCLUDE (level, expires_at) WHERE level IS NOT NULL;
COMMENT ON INDEX deed.permission_by_recipient IS 'Checks, and the documents of a recipient.';

-- Is this one of the few documents on which nobody has a level? Each document with a permission
-- has a row, so a document that is absent here is created and not deleted.
CREATE INDEX document_not_live ON deed.document (id)
  WHERE created_at IS NULL OR deleted_at IS NOT NULL;
COMMENT ON INDEX deed.document_not_live IS 'Checks: documents not created yet, or deleted.';
