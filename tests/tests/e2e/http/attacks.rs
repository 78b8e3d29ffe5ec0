//! What a caller might try: to be somebody else, to speak to the database, to be too large.

use deed_tests::postgrest::token::sign;
use deed_tests::postgrest::{Answer, Request};
use deed_tests::stage::JWT_SECRET;
use serde_json::{Value, json};

use super::surface::names::Names;
use super::{Findings, LINK, Scene, document, ids, of, service, who};

#[test]
fn metacharacters_stay_what_they_are() {
    let scene = Scene::shared();
    let names = Names::of(scene);
    let mut findings = Findings::default();
    let (alice, s) = (of("alice"), service(None));
    let values = [
        "'",
        "''",
        "\"",
        "\\",
        "\\'",
        "' OR '1'='1",
        "'; DROP TABLE deed.document; --",
        "$$",
        "$1",
        "%",
        "_",
        "(SELECT 1)",
        "/* */",
        "{}",
        "{\"a\":1}",
        "\u{1}",
        "\n",
        "\u{e9}\u{20ac}\u{1f600}",
        "null",
        "deed.everyone()",
        "\u{202e}",
        "%s%n",
        "../../",
        "*",
    ];
    let long = "'\\%_".repeat(1500);
    let encode = |text: &str| {
        text.bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect::<String>()
    };
    for (route, argument, bearer) in [
        ("has_permission?level=viewer", "document", &alice),
        ("has_permission?document=D1", "level", &alice),
        ("has_permission?document=D1&level=viewer", "principal", &s),
        ("effective_level?", "document", &alice),
        ("explain_permission?", "document", &alice),
        ("explain_permission?document=D1", "principal", &alice),
        ("list_documents?", "level", &alice),
        ("list_documents?", "sort", &alice),
        ("list_documents?", "after", &alice),
        ("list_documents?", "page_size", &alice),
        ("list_deleted?", "after", &alice),
        ("list_permissions?document=D1", "after", &alice),
        ("list_principals?document=D1", "level", &alice),
        ("list_principals?document=D1", "after", &alice),
        ("list_members?", "group_id", &s),
        ("list_members?group_id=TEAM", "after", &s),
        ("list_members?group_id=TEAM", "principal", &s),
    ] {
        for value in values.iter().copied().chain([long.as_str()]) {
            let path = format!("/rpc/{route}&{argument}={}", encode(value));
            let answer = scene.get(Some(bearer), &path);
            let code = if argument == "after" {
                "PD003"
            } else {
                "PT400"
            };
            findings.refuses(&path, &answer, 400, code, argument);
            names.unnamed(value, &answer, &mut findings);
        }
        // What no text of Postgres can hold.
        let answer = scene.get(Some(bearer), &format!("/rpc/{route}&{argument}=%00"));
        findings.expect(
            &format!("{route} {argument}: {answer:?}"),
            (400..500).contains(&answer.status),
        );
        names.unnamed(route, &answer, &mut findings);
    }
    for column in [
        "id",
        "title",
        "metadata->x",
        "content->>x",
        "level",
        "created_at",
        "nothing",
        "id::text",
    ] {
        for value in values {
            for operator in ["eq", "like", "match", "cs", "fts", "in", "is", "not.ov"] {
                let path = format!(
                    "/documents?select=id&{}={operator}.{}",
                    encode(column),
                    encode(value)
                );
                let answer = scene.get(Some(&alice), &path);
                findings.expect(&format!("{path}: {answer:?}"), answer.status < 500);
                names.unnamed(value, &answer, &mut findings);
            }
        }
    }
    let path = "/documents?select=id&order=id";
    findings.gives(path, &scene.get(Some(&alice), path), &ids(&[1, 4, 5], "id"));
}

/// Nothing that a request says of itself makes it somebody else.
#[test]
fn settings_are_not_taken_from_requests() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    let alice = who("alice").to_string();
    let claims =
        json!({ "role": "deed_service", "sub": alice, "aud": "deed", "exp": 4e9 }).to_string();
    let path = Scene::path("/rpc/effective_level?document=D1");
    for (name, value) in [
        ("deed.principal", alice.as_str()),
        ("Deed-Principal", &alice),
        ("deed_http.link", &alice),
        ("request.jwt.claims", &claims),
        ("request.jwt.claims.sub", &alice),
        ("request.headers", "{\"share-link\": \"x\"}"),
        ("role", "deed_service"),
        ("X-Forwarded-User", &alice),
        ("X-HTTP-Method-Override", "DELETE"),
        ("Cookie", "deed.principal=1; role=deed_service"),
        ("Prefer", "tx=rollback, timezone=UTC"),
    ] {
        let answer = scene.ask(Request::get(&path).header(name, value));
        findings.gives(name, &answer, &Value::Null);
    }
    // PostgREST takes what stands behind the last dot for the argument's name.
    let path_of_bob = "/rpc/effective_level?document=D1&deed.principal=ALICE";
    findings.refuses(
        "an argument",
        &scene.get(None, path_of_bob),
        403,
        "PT403",
        "principal: ",
    );

    // One header twice: PostgREST reads the token of the first, Deed sees the last.
    let twice = |first: String, last: String| {
        let request = Request::get(&path).header("Authorization", first);
        scene.ask(request.header("Authorization", last))
    };
    let [a, b] = ["alice", "bob"].map(|name| format!("Bearer {}", of(name)));
    findings.gives("alice, bob", &twice(a.clone(), b.clone()), &json!("owner"));
    findings.gives("bob, alice", &twice(b, a.clone()), &json!("viewer"));
    findings.gives(
        "alice, basic",
        &twice(a.clone(), "Basic eDp5".to_owned()),
        &json!("owner"),
    );
    let basic = twice("Basic eDp5".to_owned(), a);
    findings.refuses("basic, alice", &basic, 401, "PT401", "token: claim aud");
    for role in ["deed_service", "deed_user"] {
        let bare = format!("Bearer {}", sign(JWT_SECRET, &json!({ "role": role })));
        let answer = twice(bare, "Basic eDp5".to_owned());
        findings.refuses(role, &answer, 401, "PT401", "token: claim aud");
    }

    // Nothing of a request is left for the next on its connection.
    for _ in 0..30 {
        let with_link = Request::get(&Scene::path("/rpc/effective_level?document=D5"));
        let answer = scene.ask(with_link.clone().header("Share-Link", LINK));
        findings.gives("a link", &answer, &json!("editor"));
        findings.gives("none", &scene.ask(with_link), &Value::Null);
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    let alice = of("alice");
    let mut refused = |what: &str, request: Request| {
        // A server may also close the connection on what it will not read.
        let answer = scene.http.ask(request.bearer(Some(&alice)));
        let status = answer.as_ref().map_or(0, |answer: &Answer| answer.status);
        findings.expect(
            &format!("{what}: {answer:?}"),
            status == 0 || (400..500).contains(&status),
        );
    };
    for size in [10_000, 40_000, 200_000] {
        let text = "x".repeat(size);
        refused(
            "a cursor",
            Request::get(&format!("/rpc/list_documents?after={text}")),
        );
        refused(
            "a position",
            Request::get("/rpc/list_documents").header("Deed-Position", &text),
        );
        refused(
            "a link",
            Request::get("/rpc/list_documents").header("Share-Link", &text),
        );
        refused("an id", Request::get(&format!("/documents?id=eq.{text}")));
    }
    let many = vec![document(1); 100_000];
    let body = json!({ "documents": many, "level": "viewer" });
    refused("a body", Request::post("/rpc/check_many", &body));
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let deep: Request = Request::get(&format!(
        "/rpc/check_many?level=viewer&documents={}",
        &deep[..6_000]
    ));
    refused("nesting", deep);
    let check = "/rpc/effective_level?document=D1";
    findings.gives(
        "afterwards",
        &scene.get(Some(&alice), check),
        &json!("owner"),
    );
}

/// Ids can be guessed, and filters can range over them: what comes is what the caller sees.
#[test]
fn ids_can_not_be_enumerated() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    for path in [
        "/documents?select=id&id=gte.00000000-0000-0000-0000-000000000000",
        "/documents?select=id&id=not.eq.D9",
        "/documents?select=id&or=(title.eq.Two,title.eq.Six,id.eq.D3,level.is.null,level.eq.viewer)",
        "/documents?select=id&created_by=in.(ALICE,BOB,CARA)",
        "/documents?select=id&deleted_at=is.null",
    ] {
        let answer = scene.get(None, path);
        match path.contains("deleted_at") {
            true => findings.refuses(path, &answer, 400, "42703", ""),
            false => findings.gives(path, &answer, &ids(&[4], "id")),
        }
    }
}
