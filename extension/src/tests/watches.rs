//! Levels that are watched, and documents without an owner: what settling tells.

#[pgrx::pg_schema]
mod tests {
    use pgrx::{Spi, pg_test};

    use crate::tests::*;

    const TEAM: &str = "a0000000-0000-4000-8000-000000000003";
    const ALL: &str = "a0000000-0000-4000-8000-000000000004";
    const LINK: &str = "a0000000-0000-4000-8000-000000000005";
    const RELAY: &str = "e0000000-0000-4000-8000-000000000001";

    fn watch(principal: &str, watcher: &str) -> String {
        one_at_a_time();
        answer(&format!(
            "deed.watch('{principal}', '{DOCUMENT}', now() + interval '1 hour', '{watcher}')"
        ))
    }

    /// Settles all that is marked.
    fn settle() {
        one_at_a_time();
        while answer(&format!("deed.settle('{RELAY}')")) == "true" {}
        assert_eq!(answer("SELECT count(*) FROM deed.mark"), "0");
    }

    /// What settling tells: who, and the levels before and after.
    fn told() -> String {
        settle();
        let told = answer(
            "SELECT string_agg(concat_ws(' ', right(payload ->> 'principal', 1),
                 coalesce(payload ->> 'old_level', '-'), coalesce(payload ->> 'new_level', '-')), ', '
                 ORDER BY payload ->> 'principal')
             FROM deed.outbox WHERE type = 'deed.access.changed'",
        );
        Spi::run("DELETE FROM deed.outbox").unwrap();
        told
    }

    fn member(kind: &str, group: &str, member: &str, second: u32) -> String {
        event(
            kind,
            kind,
            group,
            second,
            &format!(r#"{{"member":"{member}"}}"#),
        )
    }

    fn about(kind: &str, principal: &str, second: u32) -> String {
        event(kind, kind, principal, second, "{}")
    }

    #[pg_test]
    fn each_change_of_a_watched_level_is_told_once() {
        apply(&created(1));
        assert_eq!(watch(ANNE, "one"), "-");
        assert_eq!(watch(ANNE, "other"), "-");
        assert_eq!(told(), "-");
        apply(&granted(ANNE, "viewer", 2));
        assert_eq!(
            watch(ANNE, "third"),
            "-",
            "the next event counts from what was told"
        );
        assert_eq!(told(), "2 - viewer");
        assert_eq!(watch(ANNE, "one"), "viewer");
        apply(&granted(ANNE, "editor", 3));
        assert_eq!(told(), "2 viewer editor");
        apply(&granted("everyone", "viewer", 4));
        assert_eq!(told(), "-");
        apply(&revoked(ANNE, 5));
        assert_eq!(told(), "2 editor viewer");
        apply(&deleted(6));
        assert_eq!(told(), "2 viewer -");
        let restored = event("x", "document.restored", DOCUMENT, 7, r#"{"by":null}"#);
        apply(&restored);
        assert_eq!(told(), "2 - viewer");
        let purged = event("y", "document.purged", DOCUMENT, 8, r#"{"by":null}"#);
        apply(&purged);
        assert_eq!(told(), "2 viewer -");
    }

    #[pg_test]
    fn principals_bring_about_changes_too() {
        apply(&created(1));
        apply(&granted(ALL, "viewer", 2));
        apply(&granted("users", "editor", 3));
        watch(ANNE, "");
        apply(&member("group.member_added", TEAM, ANNE, 4));
        assert_eq!(told(), "-");
        // Deep: a group that has members becomes a member.
        apply(&member("group.member_added", ALL, TEAM, 5));
        assert_eq!(told(), "2 - viewer");
        apply(&about("principal.removed", TEAM, 6));
        assert_eq!(told(), "2 viewer -");
        apply(&about("principal.restored", TEAM, 7));
        assert_eq!(told(), "2 - viewer");
        apply(&about("principal.removed", ALL, 8));
        assert_eq!(told(), "2 viewer -");
        apply(&about("principal.restored", ALL, 9));
        assert_eq!(told(), "2 - viewer");
        apply(&member("group.member_removed", ALL, TEAM, 10));
        assert_eq!(told(), "2 viewer -");
        apply(&event(
            "u",
            "principal.registered",
            ANNE,
            11,
            r#"{"kind":"user"}"#,
        ));
        assert_eq!(told(), "2 - editor");
        apply(&about("principal.removed", ANNE, 12));
        assert_eq!(told(), "2 editor -");
    }

    #[pg_test]
    fn a_link_gives_what_it_holds_to_whoever_took_it_over() {
        apply(&created(1));
        apply(&granted(TEAM, "editor", 2));
        apply(&member("group.member_added", TEAM, LINK, 3));
        watch(ANNE, "");
        watch(OWNER, "");
        let promoted = |user: &str, second| {
            let data = format!(r#"{{"user":"{user}"}}"#);
            event("p", "principal.promoted", LINK, second, &data)
        };
        apply(&promoted(ANNE, 4));
        assert_eq!(told(), "2 - editor");
        apply(&promoted(TEAM, 5));
        assert_eq!(told(), "2 editor -");
        apply(&promoted(ANNE, 6));
        assert_eq!(told(), "2 - editor");
        apply(&member("group.member_removed", TEAM, LINK, 7));
        assert_eq!(told(), "2 editor -");
    }

    #[pg_test]
    fn nobody_is_told_of_what_nobody_watches_any_more() {
        apply(&created(1));
        watch(ANNE, "one");
        watch(ANNE, "other");
        let unwatch = |watcher: &str| {
            Spi::run(&format!(
                "SELECT deed.unwatch('{ANNE}', '{DOCUMENT}', '{watcher}')"
            ))
            .unwrap();
        };
        unwatch("one");
        apply(&granted(ANNE, "viewer", 2));
        assert_eq!(told(), "2 - viewer");
        unwatch("other");
        apply(&granted(ANNE, "editor", 3));
        assert_eq!(told(), "-");
        let kept = "SELECT (SELECT count(*) FROM deed.lease) + (SELECT count(*) FROM deed.watched)";
        assert_eq!(answer(kept), "0");
        assert_eq!(watch(ANNE, "one"), "editor");
    }

    #[pg_test]
    fn a_document_that_loses_its_last_owner_is_orphaned_once() {
        let orphaned = || {
            settle();
            let told = answer(
                "SELECT string_agg(right(aggregateid::text, 1) || ' ' || (payload -> 'cause' ->> 'id'), ' ')
                 FROM deed.outbox WHERE type = 'deed.document.orphaned'",
            );
            Spi::run("DELETE FROM deed.outbox").unwrap();
            told
        };
        apply(&created(1));
        assert_eq!(orphaned(), "-");
        apply(&about("principal.removed", OWNER, 2));
        assert_eq!(orphaned(), "1 principal.removed");
        apply(&granted(ANNE, "owner", 3));
        apply(&revoked(OWNER, 4));
        assert_eq!(orphaned(), "-");
        apply(&revoked(ANNE, 5));
        apply(&granted("everyone", "owner", 6));
        assert_eq!(orphaned(), "1 revoked");
        apply(&deleted(7));
        assert_eq!(orphaned(), "-");
        apply(&event(
            "back",
            "document.restored",
            DOCUMENT,
            8,
            r#"{"by":null}"#,
        ));
        assert_eq!(orphaned(), "1 back");
        // Also by the grant alone, and of several documents that one owns.
        apply(&granted(TEAM, "owner", 9));
        assert_eq!(orphaned(), "-");
        apply(&about("principal.removed", TEAM, 10));
        assert_eq!(orphaned(), "1 principal.removed");
    }

    #[pg_test]
    fn one_relay_is_at_work() {
        one_at_a_time();
        let settle = |relay: &str| answer(&format!("deed.settle('{relay}')"));
        let other = "e0000000-0000-4000-8000-000000000002";
        assert_eq!(settle(RELAY), "false");
        assert_eq!(settle(other), "-");
        assert_eq!(settle(RELAY), "false");
        Spi::run(&format!("SELECT deed.release_relay('{other}')")).unwrap();
        assert_eq!(settle(other), "-");
        Spi::run(&format!("SELECT deed.release_relay('{RELAY}')")).unwrap();
        assert_eq!(settle(other), "false");
        assert_eq!(settle(RELAY), "-");
    }

    #[pg_test]
    fn what_can_not_be_watched_is_refused() {
        one_at_a_time();
        let refused = |until: &str, watcher: &str| {
            failure(&format!(
                "SELECT deed.watch('{ANNE}', '{DOCUMENT}', {until}, {watcher})"
            ))
        };
        assert!(refused("now() - interval '1 s'", "''").starts_with("PD007 until has passed"));
        assert!(refused("'infinity'", "repeat('x', 256)").starts_with("PD007 watcher has 256"));
        assert_eq!(refused("'infinity'", "repeat('x', 255)"), "00000");
    }

    #[pg_test]
    fn more_than_a_page_is_settled_page_by_page() {
        one_at_a_time();
        apply(&created(1));
        // Two pages of members, and of watched levels.
        Spi::run(&format!(
            "INSERT INTO deed.membership (group_id, member_id, version, removed, changed_at)
               SELECT '{TEAM}', md5('m' || n)::uuid, '\\x00', false, now()
               FROM generate_series(1, 12000) AS n;
             INSERT INTO deed.principal (id, node) VALUES ('{TEAM}', true);
             INSERT INTO deed.lease SELECT '{DOCUMENT}', md5('m' || n)::uuid, '', 'infinity'
               FROM generate_series(1, 2500) AS n;
             INSERT INTO deed.watched SELECT '{DOCUMENT}', md5('m' || n)::uuid
               FROM generate_series(1, 2500) AS n"
        ))
        .unwrap();
        let said = || {
            let said = answer(
                "SELECT string_agg(concat_ws(' ', n, old, new), ', ' ORDER BY new)
                 FROM (SELECT count(DISTINCT id) AS n, payload ->> 'old_level' AS old,
                   payload ->> 'new_level' AS new FROM deed.outbox
                   WHERE type = 'deed.access.changed' GROUP BY 2, 3) AS t",
            );
            Spi::run("DELETE FROM deed.outbox").unwrap();
            said
        };
        apply(&granted(TEAM, "viewer", 2));
        settle();
        assert_eq!(said(), "2500 viewer");
        apply(&member("group.member_added", ALL, TEAM, 3));
        apply(&granted(ALL, "editor", 4));
        settle();
        assert_eq!(said(), "2500 viewer editor");
        apply(&member("group.member_removed", ALL, TEAM, 5));
        settle();
        assert_eq!(said(), "2500 editor viewer");
    }

    /// The user of a link is no member: looking goes on behind the last member, whatever the user's id.
    #[pg_test]
    fn a_link_with_a_page_of_members_is_looked_at_to_its_end() {
        one_at_a_time();
        let user = "00000000-0000-4000-8000-000000000009";
        apply(&created(1));
        apply(&granted(ALL, "viewer", 2));
        Spi::run(&format!(
            "INSERT INTO deed.principal (id, node, promoted_to) VALUES ('{LINK}', true, '{user}');
             INSERT INTO deed.membership (group_id, member_id, version, removed, changed_at)
               SELECT '{LINK}', md5('m' || n)::uuid, '\\x00', false, now()
               FROM generate_series(1, 9999) AS n;
             SELECT deed.watch(p, '{DOCUMENT}', 'infinity') FROM (
               SELECT '{user}'::uuid UNION ALL SELECT min(member_id::text)::uuid FROM deed.membership
               UNION ALL SELECT max(member_id::text)::uuid FROM deed.membership) AS p (p)"
        ))
        .unwrap();
        apply(&member("group.member_added", ALL, LINK, 3));
        let mut steps = 0;
        while answer(&format!("deed.settle('{RELAY}')")) == "true" {
            steps += 1;
            assert!(steps < 10, "it never comes to its end");
        }
        let told = "SELECT count(*) FROM deed.outbox WHERE type = 'deed.access.changed'";
        assert_eq!(answer(told), "3");
    }
}
