//! Answers from many pages, and plans that were made before there were any.

#[pgrx::pg_schema]
mod tests {
    use pgrx::{Spi, pg_test};

    use crate::tests::*;

    /// Groups and documents that come last in every order; the others have ids of md5.
    const LAST: &str = "ffffffff-ffff-4fff-bfff-ffffffffffff";

    /// More entries than are read between two looks for interrupts.
    #[pg_test]
    fn a_principal_of_very_many_groups_holds_what_the_last_one_does() {
        apply(&created(1));
        apply(&granted(LAST, "editor", 2));
        Spi::run(&format!(
            "INSERT INTO deed.membership (group_id, member_id, version, removed, changed_at)
               SELECT md5('g' || n)::uuid, '{ANNE}'::uuid, '\\x00'::bytea, false, now()
               FROM generate_series(1, 30000) AS n
               UNION ALL SELECT '{LAST}'::uuid, '{ANNE}'::uuid, '\\x00', false, now();
             INSERT INTO deed.principal (id, node) VALUES ('{LAST}', true)"
        ))
        .unwrap();
        assert_eq!(level(ANNE), "editor");
        let listed =
            format!("SELECT string_agg(level::text, ' ') FROM deed.list_documents('{ANNE}')");
        assert_eq!(answer(&listed), "editor");
        let principals = format!(
            "SELECT string_agg(principal_id || ' ' || level, ', ')
             FROM deed.list_principals('{DOCUMENT}', 'editor')"
        );
        // The group itself is known to be one by its member alone.
        assert_eq!(answer(&principals), format!("{OWNER} owner, {ANNE} editor"));
        let many = format!(
            "SELECT string_agg(allowed::text, ' ') FROM deed.check_many('{ANNE}',
               array_fill('{DOCUMENT}'::uuid, ARRAY[20]) || '{LAST}'::uuid, 'editor')"
        );
        assert_eq!(answer(&many), "true ".repeat(20) + "false");
    }

    /// Ranges so long that documents are asked about one by one after all.
    #[pg_test]
    fn many_large_groups_change_no_answer_about_many_documents() {
        apply(&created(1));
        apply(&granted(LAST, "editor", 2));
        Spi::run(&format!(
            "INSERT INTO deed.membership (group_id, member_id, version, removed, changed_at)
               SELECT md5('g' || n)::uuid, '{ANNE}'::uuid, '\\x00'::bytea, false, now()
               FROM generate_series(1, 40) AS n
               UNION ALL SELECT '{LAST}'::uuid, '{ANNE}'::uuid, '\\x00', false, now();
             INSERT INTO deed.permission (document_id, recipient_id, version, level, granted_at, expired)
               SELECT md5('d' || d)::uuid, md5('g' || n)::uuid, '\\x00', 'viewer', now(), false
               FROM generate_series(1, 40) AS n, generate_series(1, 300) AS d"
        ))
        .unwrap();
        for level in ["viewer", "editor", "owner"] {
            let differ = format!(
                "SELECT count(*) FILTER (WHERE c.allowed <> deed.has_permission('{ANNE}', c.document_id, '{level}'))
                   || ' of ' || count(*) || ', ' || count(*) FILTER (WHERE c.allowed)
                 FROM deed.check_many('{ANNE}', array_append(ARRAY(
                   SELECT md5('d' || d)::uuid FROM generate_series(301, 600) AS d), '{DOCUMENT}'), '{level}') AS c"
            );
            let allowed = if level == "owner" { 0 } else { 1 };
            assert_eq!(answer(&differ), format!("0 of 301, {allowed}"), "{level}");
        }
    }

    /// Whoever holds too little is passed over before anything else is read of it.
    #[pg_test]
    fn few_owners_are_found_among_many_viewers() {
        apply(&created(1));
        apply(&granted(LAST, "owner", 2));
        Spi::run(&format!(
            "INSERT INTO deed.permission (document_id, recipient_id, version, level, granted_at, expired)
               SELECT '{DOCUMENT}', md5('v' || n)::uuid, '\\x00', 'viewer', now(), false
               FROM generate_series(1, 20000) AS n"
        ))
        .unwrap();
        let page = |after: &str| {
            answer(&format!(
                "SELECT string_agg(principal_id || ' ' || cursor, '')
                 FROM deed.list_principals('{DOCUMENT}', 'owner', {after}, 1)"
            ))
        };
        let first = page("NULL");
        let (owner, cursor) = first.split_once(' ').unwrap();
        assert_eq!(owner, OWNER);
        let second = page(&format!("'{cursor}'"));
        let (owner, cursor) = second.split_once(' ').unwrap();
        assert_eq!(owner, LAST);
        assert_eq!(page(&format!("'{cursor}'")), "-");
    }

    /// How often tables were read from end to end in this transaction.
    fn whole_reads() -> String {
        answer(
            "SELECT string_agg(relname || ' ' || seq_scan, ', ' ORDER BY relname)
             FROM pg_stat_xact_user_tables WHERE schemaname = 'deed'",
        )
    }

    /// Plans are kept for the session, and growth tells nobody.
    #[pg_test]
    fn plans_that_were_made_for_empty_tables_serve_large_ones() {
        let work = |second: u32| {
            apply(&created(second));
            apply(&granted(ANNE, "viewer", second + 1));
            apply(&event(
                "joined",
                "group.member_added",
                LAST,
                second + 2,
                &format!(r#"{{"member":"{ANNE}"}}"#),
            ));
            apply(&deleted(second + 3));
            let promoted = format!(r#"{{"user":"{ANNE}"}}"#);
            let other = "eeeeeeee-eeee-4eee-beee-eeeeeeeeeeee";
            for (kind, subject, data) in [
                ("principal.promoted", other, promoted.as_str()),
                ("principal.removed", LAST, "{}"),
                ("principal.restored", LAST, "{}"),
                (
                    "group.member_removed",
                    LAST,
                    &promoted.replace("user", "member"),
                ),
                ("document.purged", other, r#"{"by":null}"#),
            ] {
                apply(&event(kind, kind, subject, second + 4, data));
            }
            answer("SELECT count(*) FROM deed.redrive(ARRAY[1])");
            for list in [
                format!("list_deleted('{OWNER}')"),
                format!("list_documents('{OWNER}')"),
                format!("list_principals('{DOCUMENT}')"),
                format!("list_permissions('{DOCUMENT}')"),
                format!("list_members('{LAST}')"),
                format!("explain_permission('{ANNE}', '{DOCUMENT}')"),
            ] {
                answer(&format!("SELECT count(*) FROM deed.{list}"));
            }
        };
        work(1);
        Spi::run(
            "INSERT INTO deed.document (id, created_at)
               SELECT md5('d' || n)::uuid, now() FROM generate_series(1, 5000) AS n;
             INSERT INTO deed.principal (id, node)
               SELECT md5('p' || n)::uuid, false FROM generate_series(1, 5000) AS n;
             INSERT INTO deed.permission (document_id, recipient_id, version, level, granted_at, expired)
               SELECT md5('d' || n)::uuid, md5('p' || n)::uuid, '\\x00', 'viewer', now(), false
               FROM generate_series(1, 5000) AS n;
             INSERT INTO deed.membership (group_id, member_id, version, removed, changed_at)
               SELECT md5('p' || n % 9)::uuid, md5('p' || n)::uuid, '\\x00', false, now()
               FROM generate_series(1, 5000) AS n",
        )
        .unwrap();
        let before = whole_reads();
        work(11);
        assert_eq!(whole_reads(), before);
    }
}
