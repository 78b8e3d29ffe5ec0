//! What a complete question gives.

use deed_tests::postgrest::Request;
use serde_json::{Value, json};

use super::{Findings, Scene, document, ids, of, service, who};

/// Caller, path, whole body.
fn rows() -> Vec<(Option<String>, String, Value)> {
    let [alice, bob] = ["alice", "bob"].map(|name| Some(of(name)));
    let (nobody, s, with_sub) = (None, Some(service(None)), Some(service(Some("alice"))));
    let row = |caller: &Option<String>, path: &str, body| (caller.clone(), path.to_owned(), body);
    let mut holders = vec![
        json!({ "recipient_id": who("alice"), "level": "owner", "name": "Alice" }),
        json!({ "recipient_id": who("bob"), "level": "viewer", "name": null }),
    ];
    holders.sort_by_key(|holder| holder["recipient_id"].to_string());
    let mut reached = vec![
        json!({ "principal_id": who("alice"), "level": "owner" }),
        json!({ "principal_id": who("bob"), "level": "viewer" }),
        json!({ "principal_id": who("link"), "level": "editor" }),
    ];
    reached.sort_by_key(|reached| reached["principal_id"].to_string());
    let of_bob = json!([{ "level": "viewer", "counts": true, "reason": "granted",
        "recipient_id": who("team"), "via": [] }]);
    let of_nobody = json!([{ "level": "viewer", "counts": true, "reason": "granted",
        "recipient_id": "00000000-0000-0000-0000-000000000001" }]);
    let one = json!([{ "id": document(1), "title": "One", "level": "owner" }]);
    let three = json!([{ "document_id": document(3), "title": "Three" }]);
    let members = json!([{ "member_id": who("bob") }]);
    let levels = json!([{ "level": "owner" }, { "level": null }]);
    let explain = "/rpc/explain_permission?select=level,counts,reason,recipient_id";
    let mut rows = vec![
        row(
            &alice,
            "/rpc/has_permission?document=D1&level=owner",
            json!(true),
        ),
        row(
            &bob,
            "/rpc/has_permission?document=D1&level=viewer",
            json!(true),
        ),
        row(
            &bob,
            "/rpc/has_permission?document=D1&level=editor",
            json!(false),
        ),
        row(&alice, "/rpc/effective_level?document=D1", json!("owner")),
        row(&bob, "/rpc/effective_level?document=D1", json!("viewer")),
        row(&bob, "/rpc/effective_level?document=D5", json!("viewer")),
        row(&nobody, "/rpc/effective_level?document=D1", Value::Null),
        row(&alice, "/rpc/effective_level?document=D4", json!("viewer")),
        row(&nobody, "/rpc/effective_level?document=D4", json!("viewer")),
        row(
            &alice,
            "/rpc/list_documents?sort=id&select=document_id",
            ids(&[1, 4, 5], "document_id"),
        ),
        row(
            &nobody,
            "/rpc/list_documents?select=document_id",
            ids(&[4], "document_id"),
        ),
        row(
            &bob,
            "/rpc/list_documents?level=owner&sort=id&select=document_id",
            ids(&[2, 4], "document_id"),
        ),
        row(
            &alice,
            "/rpc/list_deleted?select=document_id,title",
            three.clone(),
        ),
        row(&bob, "/rpc/list_deleted", json!([])),
        row(&nobody, "/rpc/list_deleted", json!([])),
        row(
            &alice,
            "/rpc/list_permissions?document=D1&select=recipient_id,level,name",
            json!(holders),
        ),
        row(
            &alice,
            "/rpc/list_principals?document=D5&select=principal_id,level",
            json!(reached),
        ),
        row(
            &alice,
            "/rpc/list_principals?document=D5&level=owner&select=level",
            json!([{ "level": "owner" }]),
        ),
        row(
            &alice,
            &format!("{explain},via&document=D5&principal=BOB"),
            of_bob.clone(),
        ),
        row(
            &s,
            &format!("{explain},via&document=D5&principal=BOB"),
            of_bob,
        ),
        row(
            &s,
            &format!("{explain}&document=D4&principal=ALICE"),
            of_nobody,
        ),
        row(
            &alice,
            "/rpc/explain_permission?document=D1&select=reason",
            json!([{ "reason": "granted" }]),
        ),
        row(
            &alice,
            "/rpc/explain_permission?document=D1&principal=CARA",
            json!([]),
        ),
        row(&alice, "/documents?id=eq.D1&select=id,title,level", one),
        row(&nobody, "/documents?select=id", ids(&[4], "id")),
        row(
            &alice,
            "/rpc/effective_level?document=D1&principal=ALICE",
            json!("owner"),
        ),
        row(
            &s,
            "/rpc/effective_level?document=D1&principal=BOB",
            json!("viewer"),
        ),
        row(
            &s,
            "/rpc/list_deleted?principal=ALICE&select=document_id,title",
            three,
        ),
        row(
            &s,
            "/rpc/list_members?group_id=TEAM&select=member_id",
            members.clone(),
        ),
        row(
            &s,
            "/rpc/list_members?group_id=TEAM&principal=ALICE&select=member_id",
            members,
        ),
        row(&s, "/rpc/list_members?group_id=ALICE", json!([])),
        row(
            &s,
            "/documents?select=id&order=id",
            ids(&[1, 2, 4, 5, 6], "id"),
        ),
        row(
            &with_sub,
            "/documents?id=in.(D1,D2)&select=level&order=level",
            levels,
        ),
    ];
    for hidden in ["D2", "D3", "D9"] {
        let check = format!("/rpc/has_permission?document={hidden}&level=viewer");
        rows.push(row(&alice, &check, json!(false)));
        rows.push(row(
            &alice,
            &format!("/rpc/effective_level?document={hidden}"),
            Value::Null,
        ));
        rows.push(row(
            &alice,
            &format!("/documents?id=eq.{hidden}"),
            json!([]),
        ));
    }
    rows
}

#[test]
fn answers_are_those_of_the_page() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    for (caller, path, body) in rows() {
        findings.gives(&path, &scene.get(caller.as_deref(), &path), &body);
    }
}

#[test]
fn many_documents_are_answered_in_their_order() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    let asked = [4, 9, 1, 1, 2].map(document);
    let body = json!({ "documents": asked, "level": "viewer" });
    let row = |(document, allowed)| json!({ "document_id": document, "allowed": allowed });
    let rows = |allowed: [bool; 5]| asked.into_iter().zip(allowed).map(row).collect::<Value>();
    let alice = of("alice");
    let answer = scene.ask(Request::post("/rpc/check_many", &body).bearer(Some(&alice)));
    findings.gives("alice", &answer, &rows([true, false, true, true, false]));
    let answer = scene.ask(Request::post("/rpc/check_many", &body));
    findings.gives("nobody", &answer, &rows([true, false, false, false, false]));
    let mut of_bob = body.clone();
    of_bob["principal"] = json!(who("bob"));
    let asking = Request::post("/rpc/check_many", &of_bob).bearer(Some(&service(None)));
    let answer = scene.ask(asking);
    findings.gives("a service", &answer, &rows([true, false, true, true, true]));
    let none = Request::post(
        "/rpc/check_many",
        &json!({ "documents": [], "level": "owner" }),
    );
    findings.gives("none", &scene.ask(none), &json!([]));
}

/// A valid token of a principal that was removed: nothing, and no error.
#[test]
fn a_removed_principal_gets_nothing() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    let cara = of("cara");
    let nothing = [
        ("/rpc/has_permission?document=D6&level=viewer", json!(false)),
        ("/rpc/has_permission?document=D4&level=viewer", json!(false)),
        ("/rpc/effective_level?document=D6", Value::Null),
        ("/rpc/list_documents", json!([])),
        ("/rpc/list_deleted", json!([])),
        ("/documents", json!([])),
    ];
    for (path, body) in nothing {
        findings.gives(path, &scene.get(Some(&cara), path), &body);
    }
    let path = "/rpc/list_permissions?document=D6";
    findings.refuses(
        path,
        &scene.get(Some(&cara), path),
        404,
        "PT404",
        "document: ",
    );
}

/// What must not differ: status, headers but the date, and body.
#[test]
fn a_hidden_document_is_like_one_that_never_was() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    let alice = of("alice");
    for path in [
        "/rpc/has_permission?level=viewer&document=",
        "/rpc/effective_level?document=",
        "/rpc/list_permissions?document=",
        "/rpc/list_principals?document=",
        "/rpc/explain_permission?document=",
        "/rpc/explain_permission?principal=BOB&document=",
        "/documents?id=eq.",
    ] {
        let answer = |document: &str| {
            let mut answer = scene.get(Some(&alice), &format!("{path}{document}"));
            for (name, value) in &mut answer.headers {
                if name == "date" {
                    value.clear();
                }
                // It repeats the path.
                *value = value.replace(&Scene::path(document), "");
            }
            answer
        };
        let absent = answer("D9");
        for hidden in ["D2", "D3"] {
            let hidden = answer(hidden);
            findings.expect(
                &format!("{path}: {hidden:?} but {absent:?}"),
                hidden == absent,
            );
        }
    }
}
