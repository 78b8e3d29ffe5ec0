#[pgrx::pg_schema]
mod tests {
    use pgrx::pg_test;

    use crate::tests::*;

    fn applied(token: &str) -> String {
        answer(&format!("deed.applied('{token}')"))
    }

    #[pg_test]
    fn what_a_position_has_passed_is_applied() {
        one_at_a_time();
        assert_eq!(applied("fresh:0:0"), "false", "nobody consumes it");
        pgrx::Spi::run(
            "INSERT INTO deed.stream_position (consumer_group, topic, partition, next_offset, epoch)
             VALUES ('a', 'fresh', 0, 5, 1), ('b', 'fresh', 0, 9, 1), ('a', 'fresh', 1, NULL, 1)",
        )
        .unwrap();
        for (token, expected) in [
            ("fresh:0:4", "true"),
            ("fresh:0:8", "true"),
            ("fresh:0:9", "false"),
            ("fresh:1:0", "false"),
            ("fresh:2:0", "false"),
            ("fresh:0:8,fresh:0:0", "true"),
            ("fresh:0:8, fresh:1:0", "false"),
        ] {
            assert_eq!(applied(token), expected, "{token}");
            let wait = format!("deed.wait_for('{token}', '-1 second')");
            assert_eq!(answer(&wait), expected, "{token}");
        }
        assert_eq!(answer("deed.applied(NULL)"), "-");
        assert_eq!(answer("deed.wait_for('fresh:0:9', NULL)"), "-");
        assert_eq!(answer("deed.wait_for('fresh:0:9', '50 ms')"), "false");
    }

    #[pg_test]
    fn what_is_no_position_is_refused() {
        for call in ["deed.applied('x')", "deed.wait_for('a:0:-1', '1 hour')"] {
            assert_eq!(
                failure(&format!("SELECT {call}")),
                "PD005 position: expected topic:partition:offset, several by comma, at most 100"
            );
        }
    }

    /// Tells of a link; its token is the text's own digest.
    fn link(id: &str, principal: &str, kind: &str, token: &str, second: u32) -> String {
        let digest = answer(&format!("encode(sha256('{token}'), 'hex')"));
        let data = format!(r#"{{"kind":"{kind}","token_sha256":"{digest}"}}"#);
        apply(&event(id, "principal.registered", principal, second, &data))
    }

    #[pg_test]
    fn a_token_stands_for_one_living_link() {
        let [link_id, twin, user] =
            [1, 2, 3].map(|n| format!("b0000000-0000-4000-8000-00000000000{n}"));
        let found = |token: &str| answer(&format!("deed.share_link('{token}')"));
        assert_eq!(found("secret"), "-");
        link("1", &link_id, "anonymous", "secret", 1);
        link("2", &user, "user", "of a user", 1);
        assert_eq!(found("secret"), link_id);
        assert_eq!(found("Secret"), "-");
        assert_eq!(found("of a user"), "-", "not a link");
        assert_eq!(answer("deed.share_link(NULL)"), "-");

        link("3", &twin, "anonymous", "secret", 1);
        assert_eq!(found("secret"), "-", "two links");
        apply(&event("4", "principal.removed", &twin, 2, "{}"));
        assert_eq!(found("secret"), link_id, "one of them lives");
        apply(&event("5", "principal.removed", &link_id, 2, "{}"));
        assert_eq!(found("secret"), "-", "revoked");
        apply(&event("6", "principal.restored", &link_id, 3, "{}"));
        let promotion = format!(r#"{{"user":"{user}"}}"#);
        apply(&event("7", "principal.promoted", &link_id, 4, &promotion));
        assert_eq!(found("secret"), link_id, "a promoted link goes on");
        let none = r#"{"token_sha256":null}"#;
        apply(&event("8", "principal.updated", &link_id, 5, none));
        assert_eq!(found("secret"), "-", "without a token");
    }
}
