#[pgrx::pg_schema]
mod tests {
    use pgrx::{Spi, pg_test};

    use crate::tests::*;

    fn shared_with_anne() {
        apply(&created(1));
        apply(&granted(ANNE, "editor", 2));
    }

    #[pg_test]
    fn a_level_includes_the_ones_before_it() {
        shared_with_anne();
        for (asked, expected) in [("viewer", "true"), ("editor", "true"), ("owner", "false")] {
            let check = format!("deed.has_permission('{ANNE}', '{DOCUMENT}', '{asked}')");
            assert_eq!(answer(&check), expected, "{asked}");
        }
    }

    #[pg_test]
    fn the_unknown_have_nothing_and_null_gives_null() {
        shared_with_anne();
        assert_eq!(level("00000000-0000-4000-8000-00000000dead"), "-");
        assert_eq!(
            answer(&format!(
                "deed.has_permission('{ANNE}', '{ANNE}', 'viewer')"
            )),
            "false"
        );
        assert_eq!(
            answer(&format!(
                "deed.has_permission(NULL, '{DOCUMENT}', 'viewer')"
            )),
            "-"
        );
        assert_eq!(
            answer(&format!(
                "deed.has_permission('{ANNE}', '{DOCUMENT}', NULL)"
            )),
            "-"
        );
    }

    #[pg_test]
    fn an_expired_grant_does_not_count() {
        apply(&created(1));
        let grant = |id: &str, second, time: &str| {
            let data = format!(
                r#"{{"recipient":"{ANNE}","level":"viewer","granted_by":"{OWNER}","expires_at":{time}}}"#
            );
            apply(&event(id, "permission.granted", DOCUMENT, second, &data))
        };
        grant("past", 2, "\"2026-02-01T00:00:00Z\"");
        assert_eq!(level(ANNE), "-");
        grant("future", 3, "\"9999-01-01T00:00:00Z\"");
        assert_eq!(level(ANNE), "viewer");
        grant("never", 4, "null");
        assert_eq!(level(ANNE), "viewer");
    }

    #[pg_test]
    fn a_hostile_search_path_changes_nothing() {
        alone();
        shared_with_anne();
        Spi::run(
            "CREATE SCHEMA hostile;
             CREATE TYPE hostile.permission_level AS ENUM ('owner', 'editor', 'viewer');
             CREATE TABLE hostile.permission (a int);
             CREATE FUNCTION hostile.statement_timestamp() RETURNS timestamptz
               LANGUAGE sql AS $$ SELECT '-infinity'::timestamptz $$;
             SET LOCAL search_path = hostile, pg_catalog;",
        )
        .unwrap();
        assert_eq!(level(ANNE), "editor");
        let listed = format!("SELECT count(*) FROM deed.list_documents('{ANNE}')");
        assert_eq!(answer(&listed), "1");
    }

    /// Where Postgres prints the index's table without its schema.
    #[pg_test]
    fn the_extensions_own_schema_may_be_in_the_search_path() {
        alone();
        shared_with_anne();
        Spi::run("SET LOCAL search_path = deed; REINDEX INDEX deed.document_not_live").unwrap();
        assert_eq!(level(ANNE), "editor");
    }

    #[pg_test]
    fn a_check_writes_nothing() {
        let sql = format!(
            "SELECT deed.effective_level('{ANNE}', '{DOCUMENT}') IS NULL \
               AND NOT EXISTS (SELECT FROM deed.list_documents('{ANNE}')) \
               AND NOT EXISTS (SELECT FROM deed.list_permissions('{DOCUMENT}')) \
               AND pg_current_xact_id_if_assigned() IS NULL"
        );
        // Unlike pgrx's other calls, a select takes no transaction id itself.
        let unwritten = Spi::connect(|client| {
            client.select("SELECT pg_advisory_xact_lock_shared(1)", None, &[])?;
            client.select(&sql, None, &[])?.first().get_one::<bool>()
        });
        assert_eq!(unwritten, Ok(Some(true)));
    }

    #[pg_test]
    fn a_reindexed_index_is_found_again() {
        alone();
        shared_with_anne();
        assert_eq!(level(ANNE), "editor");
        Spi::run("REINDEX INDEX deed.permission_by_recipient; REINDEX TABLE deed.document")
            .unwrap();
        assert_eq!(level(ANNE), "editor");
        assert_eq!(level(OWNER), "owner");
    }

    /// A missing or different index must never read as "no grant" or "not deleted".
    #[pg_test]
    fn an_index_that_is_not_as_expected_is_an_error() {
        alone();
        shared_with_anne();
        assert_eq!(level(ANNE), "editor");
        let check = format!("SELECT deed.effective_level('{ANNE}', '{DOCUMENT}')");
        for change in [
            "DROP INDEX deed.document_not_live",
            "CREATE INDEX document_not_live ON deed.document (title)",
            "DROP INDEX deed.document_not_live; CREATE INDEX document_not_live \
               ON deed.document (id) WHERE deleted_at IS NOT NULL",
            "DROP INDEX deed.document_not_live; CREATE INDEX document_not_live \
               ON deed.document USING hash (id) WHERE created_at IS NULL OR deleted_at IS NOT NULL",
            "DROP INDEX deed.document_not_live; CREATE INDEX document_not_live \
               ON deed.document (id DESC) WHERE created_at IS NULL OR deleted_at IS NOT NULL",
            "ALTER INDEX deed.permission_by_recipient RENAME TO moved",
        ] {
            Spi::run(change).unwrap();
            let failure = failure(&check);
            assert!(failure.starts_with("PD020"), "{change}: {failure}");
        }
    }

    /// What operators may change of an index leaves it the same index.
    #[pg_test]
    fn an_index_may_be_stored_otherwise() {
        alone();
        shared_with_anne();
        Spi::run(
            "ALTER INDEX deed.document_not_live SET (fillfactor = 80);
             ALTER INDEX deed.permission_by_recipient SET (deduplicate_items = off)",
        )
        .unwrap();
        assert_eq!(level(ANNE), "editor");
    }

    #[pg_test]
    fn a_new_extension_in_the_same_backend_is_found() {
        alone();
        shared_with_anne();
        assert_eq!(level(ANNE), "editor");
        Spi::run("DROP EXTENSION deed CASCADE; CREATE EXTENSION deed").unwrap();
        assert_eq!(level(ANNE), "-");
        shared_with_anne();
        assert_eq!(level(ANNE), "editor");
    }

    #[pg_test]
    fn checks_work_in_loops_with_subtransactions() {
        shared_with_anne();
        Spi::run(&format!(
            "DO $$ BEGIN
               FOR i IN 1..200 LOOP
                 BEGIN
                   ASSERT deed.has_permission('{ANNE}', '{DOCUMENT}', 'viewer');
                   IF i % 2 = 0 THEN RAISE EXCEPTION 'undo'; END IF;
                 EXCEPTION WHEN raise_exception THEN NULL;
                 END;
               END LOOP;
             END $$"
        ))
        .unwrap();
    }
}
