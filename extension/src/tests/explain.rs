//! Paths, and why they count or don't.

const LINK: &str = "e0000000-0000-4000-8000-000000000001";
const TEAM: &str = "c0000000-0000-4000-8000-000000000001";
const FIRM: &str = "c0000000-0000-4000-8000-000000000002";
const CHAPTER: &str = "c0000000-0000-4000-8000-000000000003";
const EVERYONE: &str = "00000000-0000-0000-0000-000000000001";
const USERS: &str = "00000000-0000-0000-0000-000000000002";

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

    fn promote(link: &str, user: &str, second: u32) {
        let data = format!(r#"{{"user":"{user}"}}"#);
        tell("principal.promoted", link, second, &data);
    }

    fn grant(recipient: &str, level: &str, second: u32) {
        assert_eq!(apply(&granted(recipient, level, second)), "applied");
    }

    /// The rows, in their order: level, reason, and the path, a promoted link in brackets.
    fn explained(principal: &str) -> String {
        let names = [
            (ANNE, "Anne"),
            (OWNER, "Owner"),
            (LINK, "Link"),
            (TEAM, "Team"),
            (FIRM, "Firm"),
            (CHAPTER, "Chapter"),
            (EVERYONE, "everyone"),
            (USERS, "users"),
        ];
        let rows = answer(&format!(
            "SELECT string_agg(concat_ws(' ', coalesce(level::text, '-'), reason, replace(
               array_to_string(via || recipient_id, '>'), coalesce(promoted_from::text, 'none'), concat('[', promoted_from, ']'))), ', ' ORDER BY n)
             FROM deed.explain_permission('{principal}', '{DOCUMENT}') WITH ORDINALITY
               AS e (level, counts, reason, recipient_id, recipient_type, via, promoted_from, a, b, c, n)
             WHERE counts = (reason = 'granted')"
        ));
        let name = |text: String, (id, name): &(&str, &str)| text.replace(id, name);
        names.iter().fold(rows, name)
    }

    #[pg_test]
    fn a_grant_is_told_with_who_when_and_until_when() {
        apply(&created(1));
        let data = format!(
            r#"{{"recipient":"{ANNE}","level":"editor","granted_by":"{OWNER}",
                 "expires_at":"2999-01-01T00:00:00Z"}}"#
        );
        apply(&event("g", "permission.granted", DOCUMENT, 2, &data));
        tell("principal.registered", ANNE, 3, r#"{"kind":"user"}"#);
        let row = format!("SELECT e FROM deed.explain_permission('{ANNE}', '{DOCUMENT}') AS e");
        Spi::run("SET LOCAL TimeZone = 'UTC'").unwrap();
        let expected = format!(
            "(editor,t,granted,{ANNE},user,{{}},,{OWNER},\"2026-01-01 00:00:02+00\",\"2999-01-01 00:00:00+00\")"
        );
        assert_eq!(answer(&row), expected);
        apply(&revoked(ANNE, 4));
        let expected =
            format!("(,f,revoked,{ANNE},user,{{}},,{OWNER},\"2026-01-01 00:00:04+00\",)");
        assert_eq!(answer(&row), expected);
    }

    #[pg_test]
    fn a_grant_counts_until_it_is_over() {
        grant(ANNE, "viewer", 2);
        assert_eq!(explained(ANNE), "viewer document_not_created Anne");
        apply(&created(1));
        assert_eq!(explained(ANNE), "viewer granted Anne");
        apply(&deleted(3));
        assert_eq!(explained(ANNE), "viewer document_deleted Anne");
        tell("principal.removed", ANNE, 4, "{}");
        assert_eq!(explained(ANNE), "viewer principal_removed Anne");
        let data = format!(
            r#"{{"recipient":"{ANNE}","level":"viewer","granted_by":"{OWNER}",
                 "expires_at":"2026-01-01T00:00:06Z"}}"#
        );
        apply(&event("g", "permission.granted", DOCUMENT, 5, &data));
        assert_eq!(explained(ANNE), "viewer expired Anne");
        apply(&revoked(ANNE, 6));
        assert_eq!(explained(ANNE), "- revoked Anne");
        let purge = event("purged", "document.purged", DOCUMENT, 7, r#"{"by":null}"#);
        assert_eq!(apply(&purge), "applied");
        assert_eq!(explained(ANNE), "-", "nothing is known any more");
    }

    #[pg_test]
    fn groups_nest_and_break() {
        apply(&created(1));
        grant(FIRM, "editor", 2);
        join(TEAM, FIRM, 3);
        join(ANNE, TEAM, 4);
        // Each comes to the firm on its own way, and round the circle nobody comes twice.
        join(FIRM, TEAM, 4);
        assert_eq!(explained(ANNE), "editor granted Team>Firm");
        assert_eq!(explained(TEAM), "editor granted Firm");
        assert_eq!(explained(FIRM), "editor granted Firm");
        tell("principal.removed", FIRM, 5, "{}");
        assert_eq!(explained(ANNE), "editor recipient_removed Team>Firm");
        tell("principal.removed", TEAM, 6, "{}");
        assert_eq!(explained(ANNE), "editor via_removed Team>Firm");
        leave(ANNE, TEAM, 7);
        assert_eq!(explained(ANNE), "editor member_removed Team>Firm");
        leave(TEAM, FIRM, 8);
        assert_eq!(explained(ANNE), "editor member_removed Team>Firm");
    }

    #[pg_test]
    fn a_promoted_link_brings_what_it_holds_and_where_it_is() {
        apply(&created(1));
        grant(LINK, "viewer", 2);
        grant(TEAM, "editor", 3);
        join(LINK, TEAM, 4);
        assert_eq!(explained(ANNE), "-");
        promote(LINK, ANNE, 5);
        let both = "editor granted [Link]>Team, viewer granted [Link]";
        assert_eq!(explained(ANNE), both);
        assert_eq!(
            explained(LINK),
            "editor granted Team, viewer granted Link",
            "its own way is no promotion"
        );
        // Of the earlier promotion nothing is kept.
        promote(LINK, OWNER, 6);
        assert_eq!(explained(ANNE), "-");
        assert_eq!(explained(OWNER), format!("owner granted Owner, {both}"));
    }

    #[pg_test]
    fn one_step_may_be_made_in_two_ways() {
        apply(&created(1));
        grant(LINK, "viewer", 2);
        join(ANNE, LINK, 3);
        promote(LINK, ANNE, 4);
        let member = "viewer granted Link";
        assert_eq!(explained(ANNE), format!("{member}, viewer granted [Link]"));
    }

    #[pg_test]
    fn everyone_and_users_are_steps_of_their_own() {
        apply(&created(1));
        grant("everyone", "viewer", 2);
        grant("users", "editor", 3);
        let not_a_user = "viewer granted everyone, editor not_a_user users";
        assert_eq!(explained(ANNE), not_a_user, "known to nobody");
        tell("principal.registered", ANNE, 4, r#"{"kind":"user"}"#);
        assert_eq!(
            explained(ANNE),
            "editor granted users, viewer granted everyone"
        );
        tell("principal.removed", ANNE, 5, "{}");
        assert_eq!(
            explained(ANNE),
            "editor principal_removed users, viewer principal_removed everyone"
        );
        assert_eq!(explained(EVERYONE), not_a_user);
        assert_eq!(
            explained(USERS),
            "editor granted users, viewer granted everyone"
        );
        let kinds = format!(
            "SELECT string_agg(recipient_type::text, ' ')
             FROM deed.explain_permission('{ANNE}', '{DOCUMENT}')"
        );
        assert_eq!(answer(&kinds), "group group");
    }

    #[pg_test]
    fn what_nobody_knows_has_no_row() {
        let rows = |arguments: &str| {
            answer(&format!(
                "SELECT count(*) FROM deed.explain_permission({arguments})"
            ))
        };
        assert_eq!(rows(&format!("'{ANNE}', '{DOCUMENT}'")), "0");
        apply(&created(1));
        assert_eq!(rows(&format!("'{ANNE}', '{DOCUMENT}'")), "0");
        assert_eq!(rows(&format!("'{OWNER}', '{DOCUMENT}'")), "1");
        assert_eq!(rows(&format!("NULL, '{DOCUMENT}'")), "0");
        assert_eq!(rows(&format!("'{OWNER}', NULL")), "0");
    }

    #[pg_test]
    fn execute_is_all_that_it_takes_to_ask() {
        apply(&created(1));
        Spi::run(
            "CREATE ROLE asker;
             GRANT USAGE ON SCHEMA deed TO asker;
             GRANT EXECUTE ON FUNCTION deed.explain_permission(uuid, uuid) TO asker;
             SET LOCAL ROLE asker;
             SET LOCAL search_path = pg_temp",
        )
        .unwrap();
        let reason = format!("SELECT reason FROM deed.explain_permission('{OWNER}', '{DOCUMENT}')");
        assert_eq!(answer(&reason), "granted");
    }

    #[pg_test]
    fn an_explanation_uses_the_snapshot_of_its_query() {
        apply(&created(1));
        Spi::run(&format!(
            "CREATE FUNCTION pg_temp.tell() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
             BEGIN PERFORM deed.apply('{}'); RETURN 1; END $$",
            granted(ANNE, "viewer", 2)
        ))
        .unwrap();
        let rows = format!("SELECT count(*) FROM deed.explain_permission('{ANNE}', '{DOCUMENT}')");
        assert_eq!(answer(&format!("SELECT pg_temp.tell() + ({rows})")), "1");
        assert_eq!(answer(&rows), "1");
    }
}
