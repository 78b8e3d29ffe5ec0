-- Every index beside the primary keys, with the question that it answers. The checks read some of
-- them directly (src/pg/catalog.rs holds their expected shape), and closure_pkey.

-- What does this principal hold on this document? Answered from the index alone.
CREATE INDEX permission_by_recipient ON deed.permission (recipient_id, document_id)
  INCLUDE (level, expires_at) WHERE level IS NOT NULL;
COMMENT ON INDEX deed.permission_by_recipient IS 'Checks, and the documents of a recipient.';

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

-- Which share links were promoted to this principal?
CREATE INDEX principal_by_promotion ON deed.principal (promoted_to, id)
  WHERE promoted_to IS NOT NULL;
COMMENT ON INDEX deed.principal_by_promotion IS 'Checks: the links that a user took over.';

-- In which groups is this principal?
CREATE INDEX membership_by_member ON deed.membership (member_id, group_id) WHERE NOT removed;
COMMENT ON INDEX deed.membership_by_member IS 'Checks: the groups that a principal is in.';

-- Who reached this group? Asked when something changes behind it.
CREATE INDEX closure_by_group ON deed.closure (group_id, member_id);
COMMENT ON INDEX deed.closure_by_group IS 'Applying: whose closure changes with that of a group.';
