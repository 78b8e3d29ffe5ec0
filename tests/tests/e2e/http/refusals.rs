//! What is wrong is refused, and named.

use deed_tests::postgrest::Request;
use serde_json::{Value, json};

use super::{Findings, Scene, document, either, of, service};

/// Caller, path, status, code, how the message begins.
type Refusal = (Option<String>, String, u16, &'static str, &'static str);

const UUID: &str = ": expected a uuid";
const LEVELS: &str = "level: expected one of viewer, editor, owner";

fn rows() -> Vec<Refusal> {
    let [alice, bob] = ["alice", "bob"].map(|name| Some(of(name)));
    let (nobody, s) = (None, Some(service(None)));
    let mut rows: Vec<Refusal> = Vec::new();
    let mut row = |caller: &Option<String>, path: &str, status, code, message| {
        rows.push((caller.clone(), path.to_owned(), status, code, message));
    };
    for hidden in ["D2", "D3", "D9"] {
        for route in ["list_permissions", "list_principals", "explain_permission"] {
            let path = format!("/rpc/{route}?document={hidden}");
            row(&alice, &path, 404, "PT404", "document: there is none");
        }
    }
    for (caller, document) in [(&bob, "D1"), (&nobody, "D4")] {
        for (route, message) in [
            (
                "list_permissions",
                "document: its permissions are for editors",
            ),
            (
                "list_principals",
                "document: who has access to it is for editors",
            ),
            ("explain_permission", "document: why somebody holds"),
        ] {
            let path = format!("/rpc/{route}?document={document}");
            row(caller, &path, 403, "PT403", message);
        }
    }
    row(
        &bob,
        "/rpc/explain_permission?document=D1&principal=ALICE",
        403,
        "PT403",
        "document: why",
    );
    for document in ["D3", "D9"] {
        let path = format!("/rpc/explain_permission?document={document}&principal=ALICE");
        row(&s, &path, 404, "PT404", "document: there is none");
    }
    for caller in [&nobody, &alice] {
        let path = "/rpc/list_members?group_id=TEAM";
        row(
            caller,
            path,
            403,
            "PT403",
            "group_id: the members of groups are for services",
        );
    }
    for route in [
        "has_permission?document=D1&level=viewer",
        "effective_level?document=D1",
        "list_documents?sort=id",
        "list_deleted?page_size=50",
        "list_permissions?document=D1",
        "list_principals?document=D1",
        "explain_permission?document=D1",
    ] {
        let path = format!("/rpc/{route}");
        row(
            &s,
            &path,
            400,
            "PT400",
            "principal: expected a uuid, for the token has no sub",
        );
        row(
            &alice,
            &format!("{path}&principal=x"),
            400,
            "PT400",
            "principal: expected a uuid",
        );
        // An owner may ask why anybody holds a level.
        if !route.starts_with("explain") {
            for caller in [&alice, &nobody] {
                let path = format!("{path}&principal=BOB");
                row(caller, &path, 403, "PT403", "principal: only a service");
            }
        }
    }
    for (route, argument) in [
        ("has_permission?level=viewer&", "document"),
        ("effective_level?", "document"),
        ("list_permissions?", "document"),
        ("list_principals?", "document"),
        ("explain_permission?", "document"),
    ] {
        for wrong in ["x", "", "7807ad5e19245a4ab6e2599913ab2ce2", "%7BD1%7D"] {
            let path = format!("/rpc/{route}{argument}={wrong}");
            row(&alice, &path, 400, "PT400", "document: expected a uuid");
        }
    }
    row(
        &s,
        "/rpc/list_members?group_id=x",
        400,
        "PT400",
        "group_id: expected a uuid",
    );
    for route in [
        "has_permission?document=D1",
        "list_documents?",
        "list_principals?document=D1",
    ] {
        for level in ["admin", "", "OWNER", "owner%20"] {
            row(
                &alice,
                &format!("/rpc/{route}&level={level}"),
                400,
                "PT400",
                LEVELS,
            );
        }
    }
    row(
        &alice,
        "/rpc/list_documents?sort=title",
        400,
        "PT400",
        "sort: expected one of last_modified, id",
    );
    for list in [
        "list_documents?",
        "list_deleted?",
        "list_permissions?document=D1&",
        "list_principals?document=D1&",
    ] {
        for size in ["many", "-1", "", "1.5", "1e3", "0x10", "10000000000"] {
            let path = format!("/rpc/{list}page_size={size}");
            row(
                &alice,
                &path,
                400,
                "PT400",
                "page_size: expected a whole number",
            );
        }
        for size in ["0", "1001"] {
            row(
                &alice,
                &format!("/rpc/{list}page_size={size}"),
                400,
                "PD004",
                "page_size is",
            );
        }
        for after in ["x", "", "AQADBCLax3TGguizQjOxUj67uVPrPWRGZnNvqMDPck8j"] {
            row(
                &alice,
                &format!("/rpc/{list}after={after}"),
                400,
                "PD003",
                "after: ",
            );
        }
    }
    // PostgREST's own.
    row(
        &alice,
        "/rpc/has_permission?document=D1",
        404,
        "PGRST202",
        "",
    );
    row(&alice, "/rpc/list_documents?nothing=1", 404, "PGRST202", "");
    row(&alice, "/documents?id=eq.x", 400, "22P02", "");
    row(&alice, "/documents?nothing=eq.1", 400, "42703", "");
    row(&alice, "/documents?id=x", 400, "PGRST100", "");
    row(&alice, "/documents?select=id.count()", 400, "PGRST123", "");
    row(&alice, "/nothing", 404, either("42P01", "PGRST205"), "");
    rows
}

#[test]
fn wrong_arguments_are_refused_by_name() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    for (caller, path, status, code, message) in rows() {
        let answer = scene.get(caller.as_deref(), &path);
        findings.refuses(&path, &answer, status, code, message);
    }
}

#[test]
fn wrong_lists_of_documents_are_refused() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    let (one, alice) = (document(1), of("alice"));
    let many: Value = (0..1001).map(|_| json!(one)).collect();
    let wrong = [
        Value::Null,
        json!("x"),
        json!(one),
        json!({ "0": one }),
        json!([1]),
        json!([null]),
        json!(["x"]),
        json!([[one]]),
        many,
    ];
    let ask = |body: &Value| scene.ask(Request::post("/rpc/check_many", body).bearer(Some(&alice)));
    for documents in wrong {
        let answer = ask(&json!({ "documents": documents, "level": "viewer" }));
        let what = documents.to_string();
        findings.refuses(
            &what,
            &answer,
            400,
            "PT400",
            "documents: expected a list of at most 1000",
        );
    }
    for level in [Value::Null, json!("admin"), json!(["viewer"])] {
        let answer = ask(&json!({ "documents": [one], "level": level }));
        findings.refuses(&level.to_string(), &answer, 400, "PT400", LEVELS);
    }
    let answer = ask(&json!({ "documents": [one], "level": "viewer", "principal": "x" }));
    findings.refuses(
        "principal",
        &answer,
        400,
        "PT400",
        &format!("principal{UUID}"),
    );
    let read = format!("/rpc/check_many?level=viewer&documents=[%22{one}%22]");
    let answer = scene.get(Some(&alice), &read);
    findings.refuses(
        "GET",
        &answer,
        405,
        "PT405",
        "expected POST to /rpc/check_many",
    );
    findings.expect("Allow", answer.header("allow").as_deref() == Some("POST"));
    let no_json =
        Request::new("POST", "/rpc/check_many").header("Content-Type", "application/json");
    let answer = scene.ask(no_json.bearer(Some(&alice)));
    findings.refuses("no body", &answer, 404, "PGRST202", "");
}

#[test]
fn what_writes_or_counts_is_refused() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    let alice = of("alice");
    let row = json!({ "title": "taken" });
    let one = Scene::path("/documents?id=eq.D1");
    for bearer in [None, Some(alice.as_str())] {
        for method in ["POST", "PATCH", "DELETE"] {
            let request = Request::new(method, &one).json(&row).bearer(bearer);
            findings.refuses(method, &scene.ask(request), 405, "PT405", "expected GET");
        }
        let check = Scene::path("/rpc/effective_level");
        let post = Request::post(&check, &json!({ "document": document(1) })).bearer(bearer);
        let answer = scene.ask(post);
        findings.refuses("POST", &answer, 405, "PT405", "expected GET");
        findings.expect(
            "Allow",
            answer.header("allow").as_deref() == Some("GET, HEAD"),
        );
        for method in ["PUT", "PATCH", "DELETE"] {
            let request = Request::new(method, &check).json(&row).bearer(bearer);
            findings.refuses(method, &scene.ask(request), 405, "PGRST101", "");
        }
        for path in ["/documents", "/rpc/list_documents", "/rpc/list_deleted"] {
            for count in [
                "count=exact",
                "count=planned",
                "return=minimal, count=estimated",
            ] {
                let request = Request::get(path).header("Prefer", count).bearer(bearer);
                findings.refuses(count, &scene.ask(request), 400, "PT400", "Prefer: ");
            }
        }
    }
    for path in [
        "/rpc/list%5Fdocuments",
        "/rpc/check%5Fmany?documents=[]&level=viewer",
        "/document%73",
    ] {
        findings.refuses(
            path,
            &scene.get(None, path),
            400,
            "PT400",
            "path: expected letters",
        );
    }
    for path in ["/rpc/list_documents", "/rpc/list_deleted"] {
        let answer = scene.ask(Request::get(path).header("Range", "0-9"));
        findings.refuses(path, &answer, 400, "PT400", "Range: page by page_size");
    }
    let title = scene.get(Some(&alice), "/documents?id=eq.D1&select=title");
    findings.gives("unchanged", &title, &json!([{ "title": "One" }]));
}
