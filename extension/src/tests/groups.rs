//! Groups, links, the built-in recipients, and who is removed.

const BOB: &str = "b0000000-0000-4000-8000-000000000001";
const TEAM: &str = "c0000000-0000-4000-8000-000000000001";
const CHAPTER: &str = "c0000000-0000-4000-8000-000000000002";
const COMPANY: &str = "c0000000-0000-4000-8000-000000000003";
const LINK: &str = "e0000000-0000-4000-8000-000000000001";

#[pgrx::pg_schema]
mod tests {
    use pgrx::{Spi, pg_test};

    use super::*;
    use crate::tests::*;

    fn tell(kind: &str, subject: &str, second: u32, data: &str) {
        let id = format!("{kind} {second}");
        assert_eq!(apply(&event(&id, kind, subject, second, data)), "applied");
    }

    fn join(member: &str, group: &str, second: u32) {
        let data = format!(r#"{{"member":"{member}"}}"#);
        tell("group.member_added", group, second, &data);
    }

    fn leave(member: &str, group: &str, second: u32) {
        let data = format!(r#"{{"member":"{member}"}}"#);
        tell("group.member_removed", group, second, &data);
    }

    fn register(principal: &str, kind: &str, second: u32) {
        let data = format!(r#"{{"kind":"{kind}","name":"{kind} {second}"}}"#);
        tell("principal.registered", principal, second, &data);
    }

    fn remove(principal: &str, second: u32) {
        tell("principal.removed", principal, second, "{}");
    }

    fn restore(principal: &str, second: u32) {
        tell("principal.restored", principal, second, r#"{"by":null}"#);
    }

    fn grant(recipient: &str, level: &str, second: u32) {
        assert_eq!(apply(&granted(recipient, level, second)), "applied");
    }

    /// A list's first column and level, in order.
    fn list(call: &str, columns: &str) -> String {
        answer(&format!(
            "SELECT string_agg(concat_ws(' ', {columns}), ', ' ORDER BY n) \
             FROM deed.{call} WITH ORDINALITY AS l (a, b, c, d, e, f, n)"
        ))
    }

    fn who(level: &str) -> String {
        list(&format!("list_principals('{DOCUMENT}', '{level}')"), "a, e")
    }

    #[pg_test]
    fn a_group_passes_its_permissions_to_its_members() {
        apply(&created(1));
        grant(TEAM, "editor", 2);
        assert_eq!(level(ANNE), "-");
        join(ANNE, TEAM, 3);
        assert_eq!(level(ANNE), "editor");
        grant(ANNE, "viewer", 4);
        assert_eq!(level(ANNE), "editor", "the greatest counts");
        leave(ANNE, TEAM, 5);
        assert_eq!(level(ANNE), "viewer");
    }

    #[pg_test]
    fn groups_nest_and_a_removed_one_in_the_middle_lets_nothing_through() {
        apply(&created(1));
        grant(COMPANY, "viewer", 2);
        // The chain grows from its middle: each end may come first.
        join(TEAM, CHAPTER, 3);
        join(ANNE, TEAM, 4);
        join(CHAPTER, COMPANY, 5);
        assert_eq!(level(ANNE), "viewer");
        remove(CHAPTER, 6);
        assert_eq!(level(ANNE), "-");
        join(BOB, CHAPTER, 7);
        assert_eq!(level(BOB), "-");
        restore(CHAPTER, 8);
        assert_eq!(
            (level(ANNE), level(BOB)),
            ("viewer".into(), "viewer".into())
        );
        assert_eq!(
            answer(
                "SELECT count(*) FROM deed.closure WHERE member_id = '{ANNE}'"
                    .replace("{ANNE}", ANNE)
                    .as_str()
            ),
            "0"
        );
        leave(TEAM, CHAPTER, 9);
        assert_eq!((level(ANNE), level(BOB)), ("-".into(), "viewer".into()));
    }

    #[pg_test]
    fn a_cycle_of_groups_ends() {
        apply(&created(1));
        grant(COMPANY, "viewer", 2);
        join(TEAM, CHAPTER, 3);
        join(CHAPTER, COMPANY, 4);
        join(COMPANY, TEAM, 5);
        join(ANNE, TEAM, 6);
        assert_eq!(level(ANNE), "viewer");
        assert_eq!(answer("SELECT count(*) FROM deed.closure"), "6");
        assert_eq!(who("viewer"), format!("{OWNER} owner, {ANNE} viewer"));
    }

    #[pg_test]
    fn a_promoted_link_passes_what_it_holds_and_will_hold() {
        apply(&created(1));
        register(LINK, "anonymous", 2);
        let promotion = format!(r#"{{"user":"{ANNE}"}}"#);
        tell("principal.promoted", LINK, 3, &promotion);
        grant(LINK, "viewer", 4);
        assert_eq!(
            (level(LINK), level(ANNE)),
            ("viewer".into(), "viewer".into())
        );
        // Taken over by somebody else, later.
        let promotion = format!(r#"{{"user":"{BOB}"}}"#);
        tell("principal.promoted", LINK, 5, &promotion);
        assert_eq!((level(ANNE), level(BOB)), ("-".into(), "viewer".into()));
        remove(LINK, 6);
        assert_eq!((level(LINK), level(BOB)), ("-".into(), "-".into()));
    }

    #[pg_test]
    fn everyone_is_everyone_and_users_are_registered_and_active() {
        apply(&created(1));
        apply(&granted("users", "editor", 2));
        assert_eq!(level(ANNE), "-");
        register(ANNE, "user", 3);
        register(LINK, "anonymous", 4);
        assert_eq!((level(ANNE), level(LINK)), ("editor".into(), "-".into()));
        apply(&granted("everyone", "viewer", 5));
        assert_eq!(
            (level(ANNE), level(LINK)),
            ("editor".into(), "viewer".into())
        );
        assert_eq!(level(BOB), "viewer");
        remove(ANNE, 6);
        assert_eq!(level(ANNE), "-", "not even what everyone holds");
        for (built_in, expected) in [("everyone", "viewer"), ("users", "editor")] {
            let call = format!("deed.effective_level(deed.{built_in}(), '{DOCUMENT}')");
            assert_eq!(answer(&call), expected);
        }
        let kinds = list(&format!("list_principals('{DOCUMENT}')"), "a, b, e");
        assert_eq!(
            kinds,
            format!(
                "00000000-0000-0000-0000-000000000001 group viewer, \
                 00000000-0000-0000-0000-000000000002 group editor, {OWNER} owner"
            )
        );
    }

    #[pg_test]
    fn groups_are_not_listed_but_those_they_reach_are() {
        apply(&created(1));
        grant(TEAM, "viewer", 2);
        grant(BOB, "viewer", 3);
        grant(CHAPTER, "editor", 4);
        join(ANNE, TEAM, 5);
        join(ANNE, CHAPTER, 6);
        join(LINK, CHAPTER, 7);
        register(CHAPTER, "group", 8);
        // The team is not registered: having a member makes it a group.
        assert_eq!(
            who("viewer"),
            format!("{OWNER} owner, {ANNE} editor, {BOB} viewer, {LINK} editor")
        );
        assert_eq!(
            who("editor"),
            format!("{OWNER} owner, {ANNE} editor, {LINK} editor")
        );
        let page = format!("list_principals('{DOCUMENT}', 'viewer', page_size => 1)");
        assert_eq!(list(&page, "a"), OWNER);
        leave(ANNE, TEAM, 9);
        assert!(who("viewer").contains(TEAM), "nobody's group any more");
    }

    #[pg_test]
    fn members_are_listed_unless_one_end_is_removed() {
        for (n, member) in [ANNE, BOB, LINK].into_iter().enumerate() {
            join(member, TEAM, n as u32 + 1);
        }
        register(ANNE, "user", 4);
        remove(BOB, 5);
        leave(LINK, TEAM, 6);
        let members = format!(
            "SELECT string_agg(concat_ws(' ', member_id, recipient_type, name), ', ') \
             FROM deed.list_members('{TEAM}')"
        );
        assert_eq!(answer(&members), format!("{ANNE} user user 4"));
        remove(TEAM, 7);
        assert_eq!(answer(&members), "-");
    }

    #[pg_test]
    fn the_trash_shows_what_one_would_own() {
        apply(&created(1));
        grant(TEAM, "owner", 2);
        grant(BOB, "editor", 3);
        join(ANNE, TEAM, 4);
        let trash = |principal| {
            answer(&format!(
                "SELECT string_agg(document_id::text, ', ') FROM deed.list_deleted('{principal}')"
            ))
        };
        assert_eq!(trash(ANNE), "-");
        apply(&deleted(5));
        assert_eq!(
            (trash(OWNER), trash(ANNE)),
            (DOCUMENT.into(), DOCUMENT.into())
        );
        assert_eq!(trash(BOB), "-");
        tell("document.restored", DOCUMENT, 6, r#"{"by":null}"#);
        assert_eq!(trash(ANNE), "-");
        assert_eq!(level(ANNE), "owner");
    }

    #[pg_test]
    fn a_document_without_a_living_owner_is_orphaned() {
        let orphans = "SELECT string_agg(document_id || ' ' || extract(second FROM since)::int, ', ') \
             FROM deed.orphaned_documents";
        apply(&created(1));
        assert_eq!(answer(orphans), "-");
        remove(OWNER, 3);
        assert_eq!(answer(orphans), format!("{DOCUMENT} 3"));
        apply(&granted("everyone", "owner", 4));
        assert_eq!(
            answer(orphans),
            format!("{DOCUMENT} 3"),
            "everyone is nobody"
        );
        grant(TEAM, "owner", 5);
        assert_eq!(answer(orphans), "-", "a group counts, even an empty one");
        apply(&revoked(TEAM, 6));
        assert_eq!(answer(orphans), format!("{DOCUMENT} 6"));
        apply(&deleted(7));
        assert_eq!(answer(orphans), "-");
    }

    /// A grant counts before the instant and not at it, by every way of asking. A test is one
    /// statement, so the instant stands still.
    #[pg_test]
    fn an_expiry_ends_a_grant_at_its_instant() {
        let at = |micros: i32| {
            answer(&format!(
                "to_char((statement_timestamp() + interval '{micros} us') AT TIME ZONE 'UTC',
                   'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
            ))
        };
        apply(&created(1));
        apply(&revoked(OWNER, 2));
        let mut second = 3;
        let mut own_until = |expires_at: &str| {
            second += 2;
            let data = format!(
                r#"{{"recipient":"{ANNE}","level":"owner","granted_by":"{OWNER}","expires_at":"{expires_at}"}}"#
            );
            tell("permission.granted", DOCUMENT, second, &data);
        };
        let counts = || {
            [
                format!("deed.has_permission('{ANNE}', '{DOCUMENT}', 'viewer')"),
                format!("deed.effective_level('{ANNE}', '{DOCUMENT}') IS NOT NULL"),
                format!("EXISTS (SELECT FROM deed.list_documents('{ANNE}'))"),
                format!("EXISTS (SELECT FROM deed.list_principals('{DOCUMENT}'))"),
                format!("EXISTS (SELECT FROM deed.list_permissions('{DOCUMENT}'))"),
                "NOT EXISTS (SELECT FROM deed.orphaned_documents)".to_owned(),
            ]
            .map(|question| answer(&question))
        };
        own_until(&at(0));
        assert_eq!(counts(), ["false"; 6]);
        own_until(&at(1));
        assert_eq!(counts(), ["true"; 6]);

        let in_trash = format!("EXISTS (SELECT FROM deed.list_deleted('{ANNE}'))");
        apply(&deleted(40));
        assert_eq!(answer(&in_trash), "true");
        own_until(&at(0));
        assert_eq!(answer(&in_trash), "false");
    }

    /// How often tables were read from end to end in this transaction.
    fn whole_reads() -> String {
        answer(
            "SELECT string_agg(relname || ' ' || seq_scan, ', ' ORDER BY relname)
             FROM pg_stat_xact_user_tables
             WHERE schemaname = 'deed' AND relname IN ('membership', 'principal', 'closure')",
        )
    }

    /// A change of one edge looks at its surroundings, however many memberships there are.
    #[pg_test]
    fn no_edge_needs_a_table_read_from_end_to_end() {
        among_others();
        Spi::run(
            "INSERT INTO deed.membership (group_id, member_id, version, removed, changed_at)
               SELECT md5('g' || n % 100)::uuid, md5('u' || n)::uuid, '\\x00', false, now()
               FROM generate_series(1, 20000) AS n;
             INSERT INTO deed.principal (id, node) SELECT DISTINCT member_id, false FROM deed.membership;
             INSERT INTO deed.closure SELECT md5('g' || n)::uuid, md5('g' || m)::uuid
               FROM generate_series(1, 99) AS n, generate_series(1, 50) AS m WHERE n <> m;
             ANALYZE deed.membership, deed.principal, deed.closure, deed.document, deed.permission",
        )
        .unwrap();
        apply(&created(1));
        let before = whole_reads();
        join(TEAM, CHAPTER, 2);
        join(ANNE, TEAM, 3);
        remove(CHAPTER, 4);
        restore(CHAPTER, 5);
        leave(TEAM, CHAPTER, 6);
        let promotion = format!(r#"{{"user":"{ANNE}"}}"#);
        tell("principal.promoted", LINK, 7, &promotion);
        grant(TEAM, "viewer", 8);
        assert_eq!(who("viewer"), format!("{OWNER} owner, {ANNE} viewer"));
        assert_eq!(whole_reads(), before);
    }
}
