//! The forms of the checks that answer for the current principal.

#[pgrx::pg_schema]
mod tests {
    use pgrx::{Json, Spi, pg_test};

    use crate::tests::*;

    fn speak_as(principal: &str) {
        answer(&format!(
            "set_config('deed.principal', '{principal}', true)"
        ));
    }

    #[pg_test]
    fn the_short_forms_answer_for_the_current_principal() {
        apply(&created(1));
        apply(&granted(ANNE, "editor", 2));
        let level = format!("deed.effective_level('{DOCUMENT}')");
        let may = |level: &str| answer(&format!("deed.has_permission('{DOCUMENT}', '{level}')"));
        speak_as(ANNE);
        assert_eq!(answer(&level), "editor");
        assert_eq!(
            [may("viewer"), may("editor"), may("owner")],
            ["true", "true", "false"]
        );
        speak_as(OWNER);
        assert_eq!(
            (answer(&level), may("owner")),
            ("owner".into(), "true".into())
        );
        speak_as("");
        assert_eq!((answer(&level), may("viewer")), ("-".into(), "-".into()));
        for null in ["NULL::uuid, 'viewer'", "'{DOCUMENT}', NULL"] {
            let null = null.replace("{DOCUMENT}", DOCUMENT);
            assert_eq!(answer(&format!("deed.has_permission({null})")), "-");
        }
        speak_as("nobody");
        let message = r#"22P02 invalid input syntax for type uuid: "nobody""#;
        assert_eq!(failure(&format!("SELECT {level}")), message);
    }

    /// What is left of a call in a row policy is the long form, and the policy's table is read by its
    /// own index: also in a plan made once for all parameters, and for a role that is no superuser.
    #[pg_test]
    fn the_short_form_is_inlined_in_a_row_policy() {
        apply(&created(1));
        apply(&granted(ANNE, "viewer", 2));
        Spi::run(&format!(
            "CREATE TABLE pg_temp.file (id uuid PRIMARY KEY);
             INSERT INTO pg_temp.file VALUES ('{DOCUMENT}'), ('{OWNER}');
             ALTER TABLE pg_temp.file ENABLE ROW LEVEL SECURITY;
             CREATE POLICY shared ON pg_temp.file
               USING (deed.has_permission(id, 'viewer'::deed.permission_level));
             CREATE ROLE reader;
             GRANT SELECT ON pg_temp.file TO reader;
             GRANT USAGE ON SCHEMA deed TO reader;
             GRANT EXECUTE ON FUNCTION deed.current_principal(),
               deed.has_permission(uuid, deed.permission_level),
               deed.has_permission(uuid, uuid, deed.permission_level) TO reader;
             PREPARE read_file (uuid) AS SELECT id FROM pg_temp.file WHERE id = $1;
             SET LOCAL plan_cache_mode = force_generic_plan;
             SET LOCAL enable_seqscan = off;
             SET LOCAL enable_bitmapscan = off;
             SET LOCAL ROLE reader"
        ))
        .unwrap();
        let explain = format!("EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE read_file('{DOCUMENT}')");
        let Json(plan) = Spi::get_one(&explain).unwrap().unwrap();
        let scan = &plan[0]["Plan"];
        assert_eq!(scan["Index Cond"], "(file.id = $1)", "{plan}");
        let filter = scan["Filter"].as_str().unwrap();
        let long_form = "deed.has_permission(COALESCE((NULLIF(current_setting('deed.principal'";
        assert!(filter.starts_with(long_form), "{filter}");
        let seen = "SELECT string_agg(id::text, ' ') FROM pg_temp.file";
        speak_as(ANNE);
        assert_eq!(answer(seen), DOCUMENT);
        speak_as("");
        assert_eq!(answer(seen), "-");
    }
}
