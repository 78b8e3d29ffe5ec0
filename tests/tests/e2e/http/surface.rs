//! The surface is closed: what each role may do in the database, and what answers over HTTP, are what
//! `docs/ROLES.md` lists, and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use deed_tests::postgrest::{Answer, Request};
use deed_tests::stage::PLACE;
use postgres::Client;
use serde_json::json;

use super::{Findings, LINK, Scene, of, service};

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

/// What no answer may name, for it lies outside schema `api`.
pub struct Names {
    forbidden: BTreeSet<String>,
}

impl Names {
    pub fn of(scene: &Scene) -> Self {
        // A plain word may be in any sentence; so only names that are no words.
        let sql = "SELECT DISTINCT name FROM (
              SELECT relname::text AS name, relnamespace AS schema FROM pg_class
              UNION ALL SELECT proname, pronamespace FROM pg_proc
              UNION ALL SELECT attname, relnamespace FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid) AS o
            WHERE schema IN ('deed'::regnamespace, 'deed_http'::regnamespace) AND name LIKE '%\\_%'
              AND name NOT IN (SELECT proname FROM pg_proc WHERE pronamespace = 'api'::regnamespace)
              AND name NOT IN (SELECT attname FROM pg_attribute WHERE attrelid = 'api.documents'::regclass)
              AND name NOT IN (SELECT unnest(proargnames) FROM pg_proc WHERE pronamespace = 'api'::regnamespace)";
        let rows = scene.line.admin().query(sql, &[]).expect("names");
        let mut forbidden: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(forbidden.contains("stream_position") && forbidden.len() > 50);
        for word in ["deed.", "deed_http", "pg_", "PL/pgSQL", "SELECT ", "pgrst_"] {
            forbidden.insert(word.to_owned());
        }
        Self { forbidden }
    }

    /// An error must not name any of them, but for what the request said itself.
    pub(super) fn unnamed(&self, asked: &str, answer: &Answer, findings: &mut Findings) {
        if answer.status >= 400 {
            let named = |word: &&String| {
                answer.body.contains(*word) && !asked.contains(word.trim_end_matches(['.', ' ']))
            };
            let named: Vec<&String> = self.forbidden.iter().filter(named).collect();
            findings.expect(
                &format!("{asked} names {named:?}: {}", answer.body),
                named.is_empty(),
            );
        }
    }
}

/// Every name of every schema of the database, asked for as a route and as a table, by each role and
/// with each verb.
#[test]
fn nothing_else_answers() {
    let scene = Scene::shared();
    let names = Names::of(scene);
    let mut findings = Findings::default();
    let mut client = scene.line.admin();
    let mut texts = |sql: &str| -> Vec<String> {
        let rows = client.query(sql, &[]).expect(sql);
        rows.iter().map(|row| row.get(0)).collect()
    };
    let routes = texts(
        "SELECT DISTINCT proname::text FROM pg_proc WHERE pronamespace = 'api'::regnamespace",
    );
    let schemas = texts("SELECT nspname::text FROM pg_namespace WHERE nspname <> 'api'");
    let everything = texts(
        "SELECT DISTINCT name FROM (SELECT proname::text AS name FROM pg_proc
           UNION ALL SELECT relname FROM pg_class WHERE relkind IN ('r', 'v', 'm', 'f', 'p')) AS o
         WHERE name ~ '^[a-z0-9_]+$'",
    );
    let ours: BTreeSet<String> = texts(
        "SELECT proname::text FROM pg_proc WHERE pronamespace = ANY (array['deed', 'deed_http', 'public']::regnamespace[])
         UNION SELECT relname FROM pg_class WHERE relnamespace = ANY (array['deed', 'deed_http', 'public']::regnamespace[])
         UNION SELECT unnest(array['pg_sleep', 'set_config', 'current_setting', 'pg_read_file', 'pg_authid', 'pg_stat_activity'])",
    )
    .into_iter()
    .collect();
    assert!(everything.len() > 2000 && ours.len() > 40 && routes.len() == 9);
    let callers = [
        None,
        Some(of("alice")),
        Some(service(None)),
        Some(service(Some("alice"))),
    ];
    let mut closed = |request: Request, asked: &str| {
        let answer = scene.ask(request);
        let status = answer.status;
        findings.expect(
            &format!("{asked} answers {answer:?}"),
            (400..500).contains(&status),
        );
        names.unnamed(asked, &answer, &mut findings);
    };
    for name in &everything {
        for (path, open) in [
            (format!("/rpc/{name}"), routes.contains(name)),
            (format!("/{name}"), name == "documents"),
        ] {
            if !open {
                closed(Request::get(&path), &path);
            }
        }
    }
    for name in &ours {
        for bearer in callers.iter().map(|caller| caller.as_deref()) {
            for method in [
                "GET",
                "HEAD",
                "POST",
                "PUT",
                "PATCH",
                "DELETE",
                "TRACE",
                "CONNECTED",
            ] {
                for path in [
                    format!("/rpc/{name}"),
                    format!("/{name}"),
                    format!("/deed.{name}"),
                    format!("/deed/{name}"),
                ] {
                    let open = path
                        .strip_prefix("/rpc/")
                        .is_some_and(|name| routes.contains(&name.to_owned()));
                    if !open || !["GET", "HEAD", "POST"].contains(&method) {
                        closed(Request::new(method, &path).bearer(bearer), &path);
                    }
                }
            }
            let link = Request::get(&format!("/rpc/{name}")).header("Share-Link", LINK);
            if !routes.contains(name) {
                closed(link, name);
            }
        }
    }
    for schema in &schemas {
        for bearer in callers.iter().map(|caller| caller.as_deref()) {
            for path in [
                "/",
                "/documents",
                "/document",
                "/rpc/list_documents",
                "/pg_class",
            ] {
                closed(
                    Request::get(path)
                        .header("Accept-Profile", schema)
                        .bearer(bearer),
                    schema,
                );
            }
            let post = Request::post("/rpc/apply", &json!({})).header("Content-Profile", schema);
            closed(post.bearer(bearer), schema);
        }
    }
    // No column, relation or function beyond the view's own.
    for part in [
        "select=purged",
        "select=creation_version",
        "select=deleted_at",
        "select=tableoid",
        "select=ctid",
        "select=xmin",
        "select=*,permission(*)",
        "select=*,principal(name)",
        "select=id,d:document(*)",
        "purged=is.true",
        "creation_version=not.is.null",
        "order=deletion_version",
        "select=...document(title)",
    ] {
        for bearer in callers.iter().map(|caller| caller.as_deref()) {
            closed(
                Request::get(&format!("/documents?{part}")).bearer(bearer),
                part,
            );
        }
    }
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
