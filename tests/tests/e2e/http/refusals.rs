//! What is wrong is refused, and named.

use deed_tests::postgrest::sign;
use deed_tests::stage::JWT_SECRET;
use serde_json::{Value, json};

use super::{Scene, alice, bob, ids, of};

#[test]
fn wrong_arguments_and_tokens_are_refused_by_name() {
    let mut scene = Scene::set("http_refusals");
    let alice_token = of(alice());
    let a = Some(alice_token.as_str());
    let check = "/rpc/has_permission?document=D1&level=viewer";
    scene.refuses(
        a,
        "/rpc/effective_level?document=x",
        400,
        "PT400",
        "document: expected a uuid",
    );
    scene.refuses(
        a,
        &format!("{check}&principal=x"),
        400,
        "PT400",
        "principal: expected a uuid",
    );
    for level in ["admin", ""] {
        let path = format!("/rpc/has_permission?document=D1&level={level}");
        scene.refuses(
            a,
            &path,
            400,
            "PT400",
            "level: expected one of viewer, editor, owner",
        );
    }
    let list = "/rpc/list_documents?";
    scene.refuses(
        a,
        &format!("{list}sort=title"),
        400,
        "PT400",
        "sort: expected one of",
    );
    for size in ["many", "-1"] {
        let path = format!("{list}page_size={size}");
        scene.refuses(a, &path, 400, "PT400", "page_size: expected a whole number");
    }
    for size in ["0", "1001"] {
        scene.refuses(a, &format!("{list}page_size={size}"), 400, "PD004", "");
    }
    for after in ["x", ""] {
        scene.refuses(a, &format!("{list}after={after}"), 400, "PD003", "");
    }
    let bob_token = of(bob());
    let b = Some(bob_token.as_str());
    let page = scene.get(b, &format!("{list}page_size=1&sort=id")).json();
    let cursor = page[0]["cursor"].as_str().expect("a cursor").to_owned();
    for (caller, sort) in [(b, "last_modified"), (a, "id")] {
        let path = format!("{list}sort={sort}&after={cursor}");
        scene.refuses(caller, &path, 400, "PD003", "");
    }
    let rest = format!("{list}sort=id&after={cursor}&select=document_id");
    let all = ids(&[1, 2, 4], "document_id");
    scene.gives(b, &rest, json!([all[1], all[2]]));

    let complete =
        json!({ "role": "deed_user", "sub": alice(), "aud": "deed", "exp": 4_000_000_000_u64 });
    let token_with = |name: &str, value: Option<Value>| {
        let mut claims = complete.clone();
        match value {
            Some(value) => claims[name] = value,
            None => drop(claims.as_object_mut().map(|claims| claims.remove(name))),
        }
        sign(JWT_SECRET, &claims)
    };
    let tokens = [
        (sign(JWT_SECRET, &complete), 200, ""),
        (token_with("aud", None), 401, "PT401"),
        (token_with("exp", None), 401, "PT401"),
        (token_with("sub", None), 401, "PT401"),
        (token_with("sub", Some(json!("alice"))), 401, "PT401"),
        (token_with("sub", Some(json!(""))), 401, "PT401"),
        (token_with("aud", Some(json!("other"))), 401, "PGRST301"),
        (
            token_with("exp", Some(json!(1_000_000_000))),
            401,
            "PGRST301",
        ),
        (
            sign("another secret of 32 characters or more", &complete),
            401,
            "PGRST301",
        ),
        ("no.token.atall".to_owned(), 401, "PGRST301"),
        (
            token_with("role", Some(json!("deed_authenticator"))),
            401,
            "PT401",
        ),
        (token_with("role", Some(json!("postgres"))), 403, "42501"),
        (token_with("role", Some(json!("deed_api"))), 403, "42501"),
        (
            token_with("role", Some(json!("deed_consumer"))),
            403,
            "42501",
        ),
    ];
    for (bearer, status, code) in tokens {
        match status {
            200 => scene.gives(Some(&bearer), check, json!(true)),
            _ => scene.refuses(Some(&bearer), check, status, code, ""),
        }
    }
    scene.done();
}
