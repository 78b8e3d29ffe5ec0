#[pgrx::pg_schema]
mod tests {
    use pgrx::{Spi, pg_test};

    use crate::tests::*;

    #[pg_test]
    fn a_created_document_belongs_to_its_creator() {
        assert_eq!(apply(&created(1)), "applied");
        assert_eq!(apply(&created(1)), "duplicate");
        assert_eq!(level(OWNER), "owner");
        let title = format!("SELECT title FROM deed.document('{DOCUMENT}')");
        assert_eq!(answer(&title), "Plan");
    }

    #[pg_test]
    fn the_greater_version_wins_in_either_order() {
        apply(&created(1));
        assert_eq!(apply(&granted(ANNE, "editor", 3)), "applied");
        assert_eq!(apply(&granted(ANNE, "viewer", 2)), "stale");
        assert_eq!(level(ANNE), "editor");
        assert_eq!(apply(&revoked(ANNE, 5)), "applied");
        assert_eq!(apply(&granted(ANNE, "owner", 4)), "stale");
        assert_eq!(level(ANNE), "-");
        assert_eq!(apply(&granted(ANNE, "viewer", 6)), "applied");
        assert_eq!(level(ANNE), "viewer");
    }

    #[pg_test]
    fn a_grant_may_come_before_its_document() {
        assert_eq!(apply(&granted(ANNE, "viewer", 2)), "applied");
        assert_eq!(level(ANNE), "-");
        assert_eq!(apply(&created(1)), "applied");
        assert_eq!(level(ANNE), "viewer");
    }

    #[pg_test]
    fn nobody_has_a_level_on_a_deleted_document() {
        apply(&created(1));
        apply(&granted(ANNE, "viewer", 2));
        assert_eq!(apply(&deleted(3)), "applied");
        assert_eq!(level(ANNE), "-");
        assert_eq!(level(OWNER), "-");
        let deleted_at = format!("SELECT deleted_at FROM deed.document('{DOCUMENT}')");
        assert!(answer(&deleted_at).starts_with("2026-01-01 "));
    }

    #[pg_test]
    fn an_update_moves_only_what_it_names() {
        apply(&created(1));
        let update = |id: &str, second, members: &str| {
            let data = format!(r#"{{"updated_by":"{ANNE}"{members}}}"#);
            event(id, "document.updated", DOCUMENT, second, &data)
        };
        let content = r#","content":{"n":1.50,"big":12345678901234567890123}"#;
        assert_eq!(apply(&update("u1", 4, content)), "applied");
        assert_eq!(apply(&update("u2", 3, r#","title":"Older""#)), "applied");
        assert_eq!(apply(&update("u3", 2, r#","content":null"#)), "stale");
        assert_eq!(apply(&update("u4", 9, "")), "duplicate");
        let row = format!(
            "SELECT (title, content, last_modified_by, date_part('second', last_modified)) \
             FROM deed.document('{DOCUMENT}')"
        );
        let expected =
            format!(r#"(Older,"{{""n"": 1.5, ""big"": 12345678901234567890123}}",{ANNE},4)"#);
        assert_eq!(answer(&row), expected);
    }

    #[pg_test]
    fn a_principal_keeps_each_member_by_itself() {
        let register = |id: &str, second, members: &str| {
            let data = format!(r#"{{"kind":"anonymous"{members}}}"#);
            event(id, "principal.registered", ANNE, second, &data)
        };
        let token = "ab".repeat(32);
        let first = format!(r#","name":"Anne","token_sha256":"{token}""#);
        assert_eq!(apply(&register("r1", 2, &first)), "applied");
        assert_eq!(
            apply(&register("r2", 1, r#","description":"early""#)),
            "applied"
        );
        assert_eq!(apply(&register("r3", 3, r#","name":null"#)), "applied");
        let row = format!(
            "SELECT (kind, name, description, encode(token_sha256, 'hex')) \
             FROM deed.principal WHERE id = '{ANNE}'"
        );
        assert_eq!(answer(&row), format!("(anonymous,,early,{token})"));
    }

    #[pg_test]
    fn a_malformed_event_is_named_by_field() {
        for (event, expected) in [
            ("{}", "data"),
            (&created(1).replace("1.0", "0.3"), "specversion"),
            (&created(1).replace(OWNER, "everyone"), "data.created_by"),
            (&granted(ANNE, "admin", 1), "data.level"),
            (&created(1).replace("2026-", "2999-"), "time"),
            (&created(1).replace("document.created", "x"), "type"),
        ] {
            let failure = failure(&format!("SELECT deed.apply('{event}')"));
            let expected = format!("PD001 the event can't be applied: {expected}: ");
            assert!(failure.starts_with(&expected), "{failure}");
        }
    }

    #[pg_test]
    fn a_time_within_the_skew_is_taken() {
        let soon = answer(
            "to_char((now() + interval '4 minutes') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
        );
        let event = created(1).replace("2026-01-01T00:00:01Z", &soon);
        assert_eq!(apply(&event), "applied");
        Spi::run("SET LOCAL deed.max_clock_skew = '1min'").unwrap();
        assert!(failure(&format!("SELECT deed.apply('{event}')")).starts_with("PD001"));
    }

    /// What core lets through, Postgres stores: nothing may raise behind the parser.
    #[pg_test]
    fn the_limits_of_core_are_those_of_postgres() {
        let nested = format!("{}1{}", "[".repeat(99), "]".repeat(99));
        let contents = ["1e131071", "-1e-16383", "\"\\u0001\\uffff\"", &nested];
        for (i, content) in contents.iter().enumerate() {
            let data = format!(r#"{{"updated_by":"{ANNE}","content":{content}}}"#);
            let id = format!("limit-{i}");
            let event = event(&id, "document.updated", DOCUMENT, i as u32, &data);
            assert_eq!(apply(&event), "applied", "{content}");
        }
        for time in [
            "0000-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59.999999999-23:59",
        ] {
            let data = format!(
                r#"{{"recipient":"{ANNE}","level":"viewer","granted_by":"{OWNER}","expires_at":"{time}"}}"#
            );
            assert_eq!(
                apply(&event(time, "permission.granted", DOCUMENT, 1, &data)),
                "applied"
            );
        }
    }
}
