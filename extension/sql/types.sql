DO $$
BEGIN
  -- Events are UTF-8. In another encoding their text would be stored as other text, or not at all.
  IF pg_catalog.getdatabaseencoding() <> 'UTF8' THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
      MESSAGE = 'deed needs a database with encoding UTF8, this one has '
        || pg_catalog.getdatabaseencoding(),
      HINT = 'Create the database with ENCODING ''UTF8'' TEMPLATE template0.';
  END IF;
END
$$;

CREATE TYPE deed.permission_level AS ENUM ('viewer', 'editor', 'owner');
COMMENT ON TYPE deed.permission_level IS
  'What a recipient may do with a document; each level includes the ones before it.';

CREATE TYPE deed.permission_recipient AS ENUM ('user', 'anonymous', 'group');
COMMENT ON TYPE deed.permission_recipient IS
  'What kind of principal holds a permission.';

CREATE TYPE deed.document_sort AS ENUM ('last_modified', 'id');
COMMENT ON TYPE deed.document_sort IS
  'How documents are listed: newest first with ties by id descending, or by id ascending.';

CREATE TYPE deed.mark_kind AS ENUM ('group', 'principal', 'document', 'pair', 'owner', 'owned');
COMMENT ON TYPE deed.mark_kind IS
  'What the relay must look at: members of a principal whose reach changed; watched levels of one principal, on one document, or one alone; whether the documents that a principal owns have another owner, or one document has any.';

CREATE TYPE deed.apply_outcome AS ENUM ('applied', 'duplicate', 'stale', 'rejected');
COMMENT ON TYPE deed.apply_outcome IS
  'What became of an event: a register took it; all registers hold just this version; it is older than what they hold; it is kept in quarantine.';
