//! The surface is closed: what each role may do in the database, and what answers over HTTP, are what
//! `docs/ROLES.md` lists, and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use deed_tests::stage::PLACE;
use postgres::Client;

use super::{Scene, of, service};

pub mod names;
mod walk;

const ROLES: [&str; 7] = [
    "deed_anon",
    "deed_user",
    "deed_service",
    "deed_api",
    "deed_consumer",
    "deed_operator",
    "deed_authenticator",
];

/// Object and role: what that role may do with it.
type Surface = BTreeMap<(String, String), String>;

/// The tables of the page: the first column names an object, the others are roles.
fn written() -> Surface {
    let page = fs::read_to_string(PLACE.root.join("docs/ROLES.md")).expect("docs/ROLES.md");
    let mut surface = Surface::new();
    let mut roles: Vec<String> = Vec::new();
    for line in page.lines() {
        let Some(row) = line.strip_prefix('|') else {
            roles.clear();
            continue;
        };
        let cells: Vec<String> = row
            .trim_end_matches('|')
            .split('|')
            .map(|cell| cell.trim().trim_matches('`').to_owned())
            .collect();
        let (first, rest) = cells.split_first().expect("a column");
        if roles.is_empty() {
            roles = rest.iter().map(|role| format!("deed_{role}")).collect();
        } else if !first.starts_with("--") {
            for (role, what) in roles
                .iter()
                .zip(rest)
                .filter(|(role, what)| ROLES.contains(&role.as_str()) && !what.is_empty())
            {
                surface.insert((first.clone(), role.clone()), what.clone());
            }
        }
    }
    surface
}

/// What the catalog says, beyond what Postgres gives to everybody.
fn granted(client: &mut Client) -> Surface {
    let sql = "
      WITH role AS (SELECT rolname, oid FROM pg_roles WHERE rolname = ANY ($1)),
      ours AS (SELECT oid, nspname FROM pg_namespace
        WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)')
      SELECT format('schema %s', n.nspname), r.rolname,
        concat_ws(', ', CASE WHEN has_schema_privilege(r.oid, n.oid, 'USAGE') THEN 'usage' END,
          CASE WHEN has_schema_privilege(r.oid, n.oid, 'CREATE') THEN 'create' END)
      FROM ours AS n, role AS r WHERE n.nspname <> 'public'
      UNION ALL
      SELECT format('%s.%s(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), r.rolname,
        CASE WHEN has_function_privilege(r.oid, p.oid, 'EXECUTE') THEN
          CASE WHEN p.proowner = r.oid THEN 'owns' ELSE 'yes' END ELSE '' END
      FROM pg_proc AS p JOIN ours AS n ON n.oid = p.pronamespace, role AS r
      UNION ALL
      SELECT format('%s.%s', n.nspname, c.relname), r.rolname,
        CASE WHEN c.relowner = r.oid THEN 'owns' ELSE (
          SELECT coalesce(string_agg(lower(k) || coalesce(' ' || columns, ''), '; ' ORDER BY k), '') FROM (
            SELECT k, CASE WHEN NOT has_table_privilege(r.oid, c.oid, k) THEN (
                SELECT string_agg(a.attname, ' ' ORDER BY a.attnum) FROM pg_attribute AS a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                  AND k IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
                  AND has_column_privilege(r.oid, c.oid, a.attnum, k)) END AS columns,
              has_table_privilege(r.oid, c.oid, k) AS whole
            FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS k) AS t
          WHERE whole OR columns IS NOT NULL) END
      FROM pg_class AS c JOIN ours AS n ON n.oid = c.relnamespace, role AS r
      WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p')
      UNION ALL
      SELECT format('%s.%s', n.nspname, c.relname), r.rolname,
        concat_ws(', ', CASE WHEN has_sequence_privilege(r.oid, c.oid, 'USAGE') THEN 'usage' END,
          CASE WHEN has_sequence_privilege(r.oid, c.oid, 'SELECT') THEN 'select' END,
          CASE WHEN has_sequence_privilege(r.oid, c.oid, 'UPDATE') THEN 'update' END)
      FROM pg_class AS c JOIN ours AS n ON n.oid = c.relnamespace, role AS r WHERE c.relkind = 'S'";
    let roles: Vec<&str> = ROLES.to_vec();
    let rows = client.query(sql, &[&roles]).expect("the catalog");
    rows.iter()
        .map(|row| ((row.get(0), row.get(1)), row.get::<_, String>(2)))
        .filter(|(_, what)| !what.is_empty())
        .collect()
}

#[test]
fn every_role_may_do_what_the_page_says() {
    let granted = granted(&mut Scene::shared().line.admin());
    let written = written();
    let only = |these: &Surface, those: &Surface| -> Vec<String> {
        let differs = |(key, what): &(&(String, String), &String)| those.get(*key) != Some(what);
        let line = |((object, role), what): (&(String, String), &String)| {
            format!("{object}: {role} {what}")
        };
        these.iter().filter(differs).map(line).collect()
    };
    assert!(
        granted == written,
        "granted, not written:\n{}\nwritten, not granted:\n{}",
        only(&granted, &written).join("\n"),
        only(&written, &granted).join("\n")
    );
    assert!(granted.len() > 60, "{} entries", granted.len());
}

/// PostgREST's own description has the routes of schema `api`, and no verb that writes.
#[test]
fn the_description_lists_the_routes_and_no_writes() {
    let scene = Scene::shared();
    let expected: BTreeSet<String> = [
        "/",
        "/documents",
        "/rpc/check_many",
        "/rpc/effective_level",
        "/rpc/explain_permission",
        "/rpc/has_permission",
        "/rpc/list_deleted",
        "/rpc/list_documents",
        "/rpc/list_members",
        "/rpc/list_permissions",
        "/rpc/list_principals",
    ]
    .map(str::to_owned)
    .into();
    for bearer in [None, Some(of("alice")), Some(service(None))] {
        let description = scene.get(bearer.as_deref(), "/").json();
        let paths = description["paths"].as_object().expect("paths");
        assert_eq!(paths.keys().cloned().collect::<BTreeSet<_>>(), expected);
        let verbs: Vec<&String> = paths["/documents"]
            .as_object()
            .expect("verbs")
            .keys()
            .collect();
        assert_eq!(verbs, ["get"], "writes to documents");
        for (path, route) in paths.iter().filter(|(path, _)| path.starts_with("/rpc/")) {
            let summary = route["get"]["summary"].as_str().unwrap_or_default();
            assert!(!summary.is_empty(), "{path} has no summary");
        }
    }
}

#[test]
fn every_object_is_described_and_no_path_is_left_open() {
    let mut client = Scene::shared().line.admin();
    let bare = "SELECT string_agg(what, ', ') FROM (
          SELECT oid::regprocedure::text AS what FROM pg_proc
            WHERE pronamespace = ANY (array['api', 'deed_http']::regnamespace[])
              AND obj_description(oid, 'pg_proc') IS NULL
          UNION ALL SELECT attname FROM pg_attribute WHERE attrelid = 'api.documents'::regclass
              AND attnum > 0 AND col_description(attrelid, attnum) IS NULL
          UNION ALL SELECT nspname FROM pg_namespace
            WHERE nspname IN ('api', 'deed_http') AND obj_description(oid, 'pg_namespace') IS NULL) AS o";
    let loose = "SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc
        WHERE pronamespace = ANY (array['api', 'deed_http']::regnamespace[])
          AND (prosecdef OR proconfig::text LIKE '%search_path%')
          AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)";
    for query in [bare, loose] {
        let found: Option<String> = client.query_one(query, &[]).expect(query).get(0);
        assert_eq!(found, None, "{query}");
    }
}

/// Whoever has SQL, as a service does, can make types of their own in `pg_temp`. A function that runs with its
/// owner's rights must not take them for those of Postgres.
#[test]
fn types_of_a_session_are_not_taken_for_others() {
    let mut client = Scene::shared().line.admin();
    let masks = "SET ROLE deed_service;
        CREATE DOMAIN pg_temp.uuid AS pg_catalog.uuid CHECK (false);
        CREATE DOMAIN pg_temp.jsonb AS pg_catalog.jsonb CHECK (false);
        CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (false);
        SET deed.principal = '00000000-0000-0000-0000-000000000001'";
    client.batch_execute(masks).expect("masks");
    let id = "00000000-0000-0000-0000-000000000009";
    for ask in [
        format!("SELECT api.has_permission('{id}', 'viewer')"),
        format!("SELECT api.effective_level('{id}')"),
        format!("SELECT * FROM api.check_many('[\"{id}\"]', 'viewer')"),
        "SELECT * FROM api.list_documents()".to_owned(),
        "SELECT * FROM api.list_deleted()".to_owned(),
        format!("SELECT * FROM api.effective_level('{id}', '{id}')"),
        format!("SELECT * FROM api.list_members('{id}')"),
        format!("SELECT * FROM api.documents WHERE id = '{id}'"),
        "SET request.method = 'GET'; SET request.path = '/'; SET request.headers = '{\"deed-position\": \"a:0:0\"}';
         SET request.jwt.claims = '{\"aud\": \"deed\", \"exp\": 1}'; SET deed_http.max_wait = '0 s'"
            .to_owned(),
    ] {
        client.batch_execute(&ask).expect(&ask);
    }
    // It comes to where nothing is applied.
    let refused = client
        .batch_execute("SELECT deed_http.identify()")
        .expect_err("refused");
    let message = refused
        .as_db_error()
        .expect("an answer")
        .message()
        .to_owned();
    assert!(message.contains("PT504"), "{message}");
}
