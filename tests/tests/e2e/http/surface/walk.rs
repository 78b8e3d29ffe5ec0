//! Whatever is asked for that is not a route.

use std::collections::BTreeSet;

use deed_tests::postgrest::Request;
use serde_json::json;

use super::names::Names;
use crate::http::{Findings, LINK, Scene, of, service};

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
        "order=deleted_version",
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
