//! Share links: the header `Share-Link`, alone and beside a token.

use deed_tests::postgrest::{Answer, Request};
use serde_json::{Value, json};

use super::{Findings, LINK, REVOKED, SHARED, Scene, document, ids, of, service};

impl Scene {
    fn with_link(&self, link: &str, bearer: Option<&str>, path: &str) -> Answer {
        let request = Request::get(&Self::path(path)).bearer(bearer);
        self.ask(request.header("Share-Link", link))
    }
}

#[test]
fn a_link_alone_is_its_own_principal() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    let one = json!([{ "id": document(5), "level": "editor" }]);
    for (path, body) in [
        ("/rpc/effective_level?document=D5", json!("editor")),
        ("/rpc/has_permission?document=D5&level=owner", json!(false)),
        ("/rpc/effective_level?document=D4", json!("viewer")),
        ("/rpc/effective_level?document=D1", Value::Null),
        (
            "/rpc/list_documents?sort=id&select=document_id",
            ids(&[4, 5], "document_id"),
        ),
        (
            "/rpc/list_principals?document=D5&level=owner&select=level",
            json!([{ "level": "owner" }]),
        ),
        ("/documents?id=eq.D5&select=id,level", one),
        (
            "/rpc/effective_level?document=D5&principal=LINK",
            json!("editor"),
        ),
    ] {
        findings.gives(path, &scene.with_link(LINK, None, path), &body);
    }
    let path = "/rpc/explain_permission?document=D5";
    findings.refuses(
        path,
        &scene.with_link(LINK, None, path),
        403,
        "PT403",
        "document: why",
    );
}

/// The caller is the token's principal; for questions about one document the greater level counts.
#[test]
fn beside_a_token_the_greater_level_counts() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    let [alice, bob] = ["alice", "bob"].map(of);
    for (bearer, path, body) in [
        (&bob, "/rpc/effective_level?document=D5", json!("editor")),
        (
            &bob,
            "/rpc/has_permission?document=D5&level=editor",
            json!(true),
        ),
        (&alice, "/rpc/effective_level?document=D5", json!("owner")),
        (&bob, "/rpc/effective_level?document=D1", json!("viewer")),
        (
            &bob,
            "/documents?id=eq.D5&select=level",
            json!([{ "level": "editor" }]),
        ),
        (
            &bob,
            "/rpc/list_permissions?document=D5&level=eq.owner&select=level",
            json!([{ "level": "owner" }]),
        ),
        (
            &bob,
            "/rpc/list_documents?level=editor&sort=id&select=document_id",
            ids(&[2, 4], "document_id"),
        ),
        (
            &service(None),
            "/rpc/effective_level?document=D5&principal=BOB",
            json!("editor"),
        ),
    ] {
        findings.gives(path, &scene.with_link(LINK, Some(bearer), path), &body);
    }
    let body = json!({ "documents": [document(5), document(9)], "level": "editor" });
    let many = Request::post("/rpc/check_many", &body).bearer(Some(&bob));
    let answer = scene.ask(many.header("Share-Link", LINK));
    let rows = json!([{ "document_id": document(5), "allowed": true }, { "document_id": document(9), "allowed": false }]);
    findings.gives("check_many", &answer, &rows);
}

#[test]
fn what_is_no_link_is_refused() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    let (alice, long) = (of("alice"), "x".repeat(5000));
    let none = [
        "nothing",
        REVOKED,
        SHARED,
        "",
        "' OR true --",
        "\u{e9}\u{20ac}",
        &long,
    ];
    for token in none {
        for bearer in [None, Some(alice.as_str())] {
            let answer = scene.with_link(token, bearer, "/rpc/effective_level?document=D4");
            findings.refuses(token, &answer, 401, "PT401", "Share-Link: not the token");
        }
    }
    // No text at all: PostgREST itself fails, before anything is asked.
    let bytes = Request::get("/rpc/list_documents").header("Share-Link", [0xff, 0xfe, 0x80]);
    let answer = scene.ask(bytes);
    let refused = answer.status >= 400 && !answer.body.contains("document");
    findings.expect(&format!("{answer:?}"), refused);
}
