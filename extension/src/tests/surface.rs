#[pgrx::pg_schema]
mod tests {
    use pgrx::pg_test;

    use crate::tests::*;

    #[pg_test]
    fn nothing_is_open_to_public() {
        let open = "SELECT string_agg(what, ', ') FROM (
              SELECT oid::regprocedure::text AS what, proacl AS acl, 'f'::\"char\" AS kind, proowner AS owner
                FROM pg_proc WHERE pronamespace = 'deed'::regnamespace
              UNION ALL SELECT oid::regclass::text, relacl,
                CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", relowner
                FROM pg_class WHERE relnamespace = 'deed'::regnamespace AND relkind IN ('r', 'v', 'S')
              UNION ALL SELECT oid::regtype::text, typacl, 'T', typowner
                FROM pg_type WHERE typnamespace = 'deed'::regnamespace AND typtype = 'e') AS o
            WHERE EXISTS (SELECT FROM aclexplode(coalesce(acl, acldefault(kind, owner)))
                          WHERE grantee = 0)";
        assert_eq!(answer(open), "-");
    }

    #[pg_test]
    fn every_object_is_described() {
        let bare = "SELECT string_agg(pg_describe_object(classid, objid, 0), ', ')
            FROM pg_depend
            WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
              AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'deed')
              AND pg_describe_object(classid, objid, 0) !~ '(schema|function) tests'
              AND NOT EXISTS (SELECT FROM pg_description d
                WHERE d.objoid = objid AND d.classoid = classid AND d.objsubid = 0)
              AND NOT EXISTS (SELECT FROM pg_class c WHERE classid = 'pg_class'::regclass
                AND c.oid = objid AND c.relkind = 'S')
              AND NOT EXISTS (SELECT FROM pg_type t WHERE classid = 'pg_type'::regclass
                AND t.oid = objid AND t.typtype <> 'e')";
        assert_eq!(answer(bare), "-");
    }

    #[pg_test]
    fn definer_functions_have_a_fixed_search_path() {
        let loose = "SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc
            WHERE pronamespace = 'deed'::regnamespace AND prosecdef
              AND NOT coalesce(proconfig::text LIKE '%search_path%', false)";
        assert_eq!(answer(loose), "-");
    }

    #[pg_test]
    fn every_table_and_sequence_is_dumped() {
        let lost = "SELECT string_agg(c.oid::regclass::text, ', ')
            FROM pg_class c WHERE relnamespace = 'deed'::regnamespace AND relkind IN ('r', 'S')
              AND c.relname NOT IN ('closure_lock', 'relay')
              AND NOT c.oid = ANY ((SELECT extconfig FROM pg_extension WHERE extname = 'deed')::oid[])";
        assert_eq!(answer(lost), "-");
    }

    #[pg_test]
    fn the_current_principal_is_the_setting_or_the_claim() {
        let current = "deed.current_principal()";
        assert_eq!(answer(current), "-");
        answer(&format!(
            r#"set_config('request.jwt.claims', '{{"sub":"{ANNE}"}}', true)"#
        ));
        assert_eq!(answer(current), ANNE);
        answer(&format!("set_config('deed.principal', '{OWNER}', true)"));
        assert_eq!(answer(current), OWNER);
        answer("set_config('deed.principal', '', true)");
        answer("set_config('request.jwt.claims', '', true)");
        assert_eq!(answer(current), "-");
    }
}
