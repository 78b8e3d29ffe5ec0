//! What is told of changes, and that nothing is told where nothing changes.

#[pgrx::pg_schema]
mod tests {
    use pgrx::{Spi, pg_test};

    use crate::tests::*;

    const TEAM: &str = "a0000000-0000-4000-8000-000000000003";

    /// What was told since the last look: type without its first word, and data without cause.
    fn told() -> String {
        let told = answer(
            "SELECT string_agg(substr(type, 6) || ' ' || (payload - 'cause')::text, '; ' ORDER BY seq)
             FROM deed.outbox",
        );
        Spi::run("DELETE FROM deed.outbox").unwrap();
        told
    }

    fn updated(recipient: &str, old: &str, new: &str) -> String {
        let level = |level: &str| match level {
            "-" => "null".to_owned(),
            level => format!("\"{level}\""),
        };
        format!(
            r#"permission.updated {{"new_level": {}, "old_level": {}, "recipient": "{recipient}", "expires_at": null, "recipient_type": null}}"#,
            level(new),
            level(old)
        )
    }

    fn lifecycle(kind: &str, second: u32) -> String {
        event(kind, kind, DOCUMENT, second, r#"{"by":null}"#)
    }

    #[pg_test]
    fn a_grant_is_told_when_its_value_changes() {
        apply(&created(1));
        assert_eq!(told(), updated(OWNER, "-", "owner"));
        apply(&granted(ANNE, "viewer", 2));
        assert_eq!(told(), updated(ANNE, "-", "viewer"));
        assert_eq!(apply(&granted(ANNE, "viewer", 2)), "duplicate");
        assert_eq!(apply(&granted(ANNE, "owner", 1)), "stale");
        assert_eq!(apply(&granted(ANNE, "viewer", 3)), "applied");
        assert_eq!(told(), "-");
        apply(&granted(ANNE, "editor", 4));
        apply(&revoked(ANNE, 5));
        let both = [
            updated(ANNE, "viewer", "editor"),
            updated(ANNE, "editor", "-"),
        ];
        assert_eq!(told(), both.join("; "));
        assert_eq!(apply(&revoked(ANNE, 6)), "applied");
        assert_eq!(told(), "-");
    }

    #[pg_test]
    fn an_event_names_its_cause_and_the_recipients_kind() {
        let registered = event("r", "principal.registered", ANNE, 1, r#"{"kind":"user"}"#);
        apply(&registered);
        apply(&granted(ANNE, "viewer", 2));
        let said = answer("SELECT payload -> 'cause' || (payload - 'cause') FROM deed.outbox");
        assert!(said.contains(r#""id": "viewer""#), "{said}");
        assert!(said.contains(r#""source": "/test""#), "{said}");
        assert!(said.contains(r#""recipient_type": "user""#), "{said}");
    }

    #[pg_test]
    fn a_time_outside_the_years_of_utc_raises_nothing() {
        let granted = |recipient: &str, expires_at: &str| {
            let data = format!(
                r#"{{"recipient":"{recipient}","level":"viewer","granted_by":"{OWNER}","expires_at":"{expires_at}"}}"#
            );
            event("g", "permission.granted", DOCUMENT, 1, &data)
        };
        assert_eq!(
            apply(&granted(ANNE, "9999-12-31T23:59:59-01:00")),
            "applied"
        );
        assert_eq!(
            apply(&granted(TEAM, "0000-01-01T00:00:00+01:00")),
            "applied"
        );
        assert!(told().contains("9999-12-31T23:59:59.999999Z"));
    }

    #[pg_test]
    fn what_has_expired_before_it_comes_is_told_only_where_it_ends_something() {
        let over = |recipient: &str, second| {
            let data = format!(
                r#"{{"recipient":"{recipient}","level":"owner","granted_by":"{OWNER}","expires_at":"2020-01-01T00:00:00Z"}}"#
            );
            event("over", "permission.granted", DOCUMENT, second, &data)
        };
        apply(&created(1));
        apply(&granted(ANNE, "viewer", 2));
        told();
        apply(&over(ANNE, 3));
        let said = told();
        assert!(
            said.contains(r#""new_level": null, "old_level": "viewer""#),
            "{said}"
        );
        apply(&over(TEAM, 4));
        assert_eq!(told(), "-");
        assert_eq!(answer("SELECT count(*) FROM deed.listing"), "1");
    }

    #[pg_test]
    fn a_document_is_told_to_go_and_come_once() {
        apply(&created(1));
        told();
        apply(&deleted(2));
        assert_eq!(told(), format!(r#"document.deleted {{"by": "{OWNER}"}}"#));
        apply(&lifecycle("document.deleted", 3));
        assert_eq!(told(), "-");
        apply(&lifecycle("document.restored", 4));
        apply(&lifecycle("document.restored", 5));
        assert_eq!(told(), "document.restored {}");
        apply(&lifecycle("document.purged", 6));
        apply(&lifecycle("document.purged", 7));
        assert_eq!(told(), "document.purged {}");
    }

    #[pg_test]
    fn principals_and_groups_are_told_of() {
        let by = |kind: &str, second| event(kind, kind, ANNE, second, "{}");
        let member = |kind: &str, second| {
            event(
                kind,
                kind,
                TEAM,
                second,
                &format!(r#"{{"member":"{ANNE}"}}"#),
            )
        };
        for second in [1, 2] {
            apply(&member("group.member_added", second));
        }
        assert_eq!(
            told(),
            format!(r#"group.updated {{"change": "added", "member": "{ANNE}"}}"#)
        );
        apply(&member("group.member_removed", 3));
        assert_eq!(
            told(),
            format!(r#"group.updated {{"change": "removed", "member": "{ANNE}"}}"#)
        );
        apply(&by("principal.restored", 4));
        assert_eq!(told(), "-");
        apply(&by("principal.removed", 5));
        apply(&by("principal.removed", 6));
        apply(&by("principal.restored", 7));
        assert_eq!(told(), "principal.removed {}; principal.restored {}");
        let promoted = format!(r#"{{"user":"{OWNER}"}}"#);
        for second in [8, 9] {
            apply(&event("p", "principal.promoted", ANNE, second, &promoted));
        }
        assert_eq!(
            told(),
            format!(r#"principal.promoted {{"user": "{OWNER}"}}"#)
        );
    }

    #[pg_test]
    fn published_events_are_taken_out_and_the_next_ones_given_in_order() {
        apply(&created(1));
        apply(&granted(ANNE, "viewer", 2));
        apply(&granted(TEAM, "viewer", 3));
        let next = |published: &str, most: i32| {
            answer(&format!(
                "SELECT string_agg(data::jsonb ->> 'recipient', ' ' ORDER BY seq)
                 FROM deed.next_events({published}, {most})"
            ))
        };
        assert_eq!(next("'{}'", 2), format!("{OWNER} {ANNE}"));
        assert_eq!(next("'{}'", 2), format!("{OWNER} {ANNE}"));
        let first =
            "(SELECT array_agg(seq) FROM (SELECT seq FROM deed.outbox ORDER BY seq LIMIT 2) AS o)";
        assert_eq!(next(first, 2), TEAM);
        assert_eq!(answer("SELECT count(*) FROM deed.outbox"), "1");
    }
}
