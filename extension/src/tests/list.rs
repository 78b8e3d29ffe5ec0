#[pgrx::pg_schema]
mod tests {
    use pgrx::{Spi, pg_test};

    use crate::tests::*;

    /// Nine documents of the owner, three to a second; every third is shared with Anne.
    fn nine_documents() {
        for i in 0..9 {
            let document = DOCUMENT.replace("0001", &format!("{i:04}"));
            let data = format!(r#"{{"created_by":"{OWNER}","title":"{i}"}}"#);
            apply(&event("c", "document.created", &document, i / 3, &data));
            if i % 3 == 0 {
                let data =
                    format!(r#"{{"recipient":"{ANNE}","level":"editor","granted_by":"{OWNER}"}}"#);
                apply(&event("g", "permission.granted", &document, 9, &data));
            }
        }
    }

    /// The titles of all pages of a list, walked by cursor.
    fn walk(arguments: &str, page_size: i32) -> String {
        answer(&format!(
            "WITH RECURSIVE page AS (
               SELECT 0 AS n, title, cursor, row_number() OVER () AS i
                 FROM deed.list_documents({arguments}, NULL, {page_size})
               UNION ALL
               SELECT last.n + 1, next.title, next.cursor, next.i FROM (
                   SELECT n, cursor FROM page WHERE i = {page_size}) AS last
                 CROSS JOIN LATERAL (SELECT title, cursor, row_number() OVER () AS i
                   FROM deed.list_documents({arguments}, last.cursor, {page_size})) AS next)
             SELECT string_agg(title, '' ORDER BY n, i) FROM page"
        ))
    }

    #[pg_test]
    fn pages_join_to_the_whole_list_in_both_orders() {
        nine_documents();
        for page_size in [1, 2, 3, 9, 1_000] {
            let owner = format!("'{OWNER}', 'viewer'");
            assert_eq!(
                walk(&format!("{owner}, 'last_modified'"), page_size),
                "876543210"
            );
            assert_eq!(walk(&format!("{owner}, 'id'"), page_size), "012345678");
            assert_eq!(walk(&format!("'{ANNE}', 'editor', 'id'"), page_size), "036");
            assert_eq!(walk(&format!("'{ANNE}', 'owner', 'id'"), page_size), "-");
        }
    }

    #[pg_test]
    fn a_cursor_belongs_to_its_question() {
        nine_documents();
        let cursor = answer(&format!(
            "SELECT cursor FROM deed.list_documents('{OWNER}') LIMIT 1"
        ));
        let with = |arguments: &str| {
            failure(&format!(
                "SELECT deed.list_documents({arguments}, '{cursor}')"
            ))
        };
        assert_eq!(
            with(&format!("'{OWNER}', 'viewer', 'last_modified'")),
            "00000"
        );
        for other in [
            format!("'{ANNE}', 'viewer', 'last_modified'"),
            format!("'{OWNER}', 'editor', 'last_modified'"),
            format!("'{OWNER}', 'viewer', 'id'"),
        ] {
            assert!(with(&other).starts_with("PD003"), "{other}");
        }
        let permissions = format!("SELECT deed.list_permissions('{DOCUMENT}', '{cursor}')");
        assert!(failure(&permissions).starts_with("PD003"));
    }

    #[pg_test]
    fn page_sizes_have_bounds() {
        for (size, expected) in [
            ("0", "PD004"),
            ("1001", "PD004"),
            ("-1", "PD004"),
            ("1", "00000"),
        ] {
            let list = format!("SELECT deed.list_documents('{OWNER}', page_size => {size})");
            assert!(failure(&list).starts_with(expected), "{size}");
            let list = format!("SELECT deed.list_permissions('{DOCUMENT}', page_size => {size})");
            assert!(failure(&list).starts_with(expected), "{size}");
        }
        let null = "SELECT count(*) FROM deed.list_documents(NULL)";
        assert_eq!(answer(null), "0");
    }

    #[pg_test]
    fn permissions_are_listed_whole_by_recipient() {
        apply(&created(1));
        apply(&granted(ANNE, "viewer", 2));
        apply(&granted("everyone", "viewer", 3));
        apply(&granted(
            "a0000000-0000-4000-8000-00000000000f",
            "viewer",
            2,
        ));
        apply(&revoked("a0000000-0000-4000-8000-00000000000f", 3));
        let data = r#"{"kind":"user","name":"Anne","description":"of Green Gables"}"#;
        apply(&event("r", "principal.registered", ANNE, 1, data));
        let rows = format!(
            "SELECT string_agg(concat_ws(' ', right(recipient_id::text, 1), recipient_type, name, \
               description, level, right(granted_by::text, 1)), ', ') \
             FROM deed.list_permissions('{DOCUMENT}')"
        );
        let expected = "1 group viewer 1, 1 owner 1, 2 user Anne of Green Gables viewer 1";
        assert_eq!(answer(&rows), expected);
    }

    /// A list inside a query sees what the query sees, also when its transaction has written.
    #[pg_test]
    fn a_list_uses_the_snapshot_of_its_query() {
        apply(&created(1));
        Spi::run(&format!(
            "CREATE FUNCTION pg_temp.grant_and_count() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
             BEGIN
               PERFORM deed.apply('{}');
               RETURN 1;
             END $$",
            granted(ANNE, "viewer", 2)
        ))
        .unwrap();
        let both = format!(
            "SELECT pg_temp.grant_and_count() + (SELECT count(*) FROM deed.list_documents('{ANNE}')) \
               + (deed.effective_level('{ANNE}', '{DOCUMENT}') IS NOT NULL)::int"
        );
        assert_eq!(answer(&both), "1");
        assert_eq!(
            answer(&format!(
                "SELECT count(*) FROM deed.list_documents('{ANNE}')"
            )),
            "1"
        );
    }

    /// A page that left it out would be taken for the last one.
    #[pg_test]
    fn a_document_that_was_lost_is_an_error_and_no_shorter_page() {
        apply(&created(1));
        Spi::run("DELETE FROM deed.document").unwrap();
        for sort in ["last_modified", "id"] {
            let page = format!("SELECT deed.list_documents('{OWNER}', 'viewer', '{sort}')");
            assert_eq!(
                failure(&page),
                format!("PD021 document {DOCUMENT} has permissions, but no row in deed.document")
            );
        }
    }
}
