//! Every row of `docs/HTTP.md`, section 7, and what must stay out of reach.

use std::time::Duration;

use deed_tests::event::{Clock, id};
use deed_tests::postgrest::{Answer, PostgRest, sign, token};
use deed_tests::stage::{JWT_SECRET, Line};
use serde_json::{Value, json};
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

/// The documents and people of section 7, behind a PostgREST.
struct Scene {
    http: PostgRest,
    failures: Vec<String>,
}

fn document(n: u32) -> Uuid {
    id(&format!("http D{n}"))
}

fn alice() -> Uuid {
    id("http alice")
}

fn bob() -> Uuid {
    id("http bob")
}

fn of(principal: Uuid) -> String {
    token(JWT_SECRET, "deed_user", Some(principal), MINUTE)
}

impl Scene {
    fn set(name: &str) -> Self {
        let line = Line::shared(name, 1);
        let mut consumer = line.consumer("a");
        let mut clock = Clock::default();
        let everyone = json!({ "recipient": "everyone", "level": "viewer", "granted_by": bob() });
        let events = [
            clock.registered(alice(), "user", "Alice"),
            clock.created(document(1), alice(), "One"),
            clock.granted(document(1), bob(), "viewer", alice()),
            clock.created(document(2), bob(), "Two"),
            clock.created(document(3), alice(), "Three"),
            clock.deleted(document(3), alice()),
            clock.created(document(4), bob(), "Four"),
            clock.event("permission.granted", document(4), everyone),
        ];
        line.send(&events.map(|event| event.structured()));
        line.wait_until_applied();
        consumer.stop(deed_tests::stage::DEADLINE).expect("stops");
        Self {
            http: line.postgrest(),
            failures: Vec::new(),
        }
    }

    /// Asks, with `D1` and the like in place of ids.
    fn get(&self, bearer: Option<&str>, path: &str) -> Answer {
        let mut path = path
            .replace("ALICE", &alice().to_string())
            .replace("BOB", &bob().to_string());
        for n in [1, 2, 3, 4, 9] {
            path = path.replace(&format!("D{n}"), &document(n).to_string());
        }
        self.http.get(&path, bearer).expect("an answer")
    }

    /// Expects a status and a whole body.
    fn gives(&mut self, bearer: Option<&str>, path: &str, body: Value) {
        let answer = self.get(bearer, path);
        if (answer.status, answer.json()) != (200, body.clone()) {
            self.failures
                .push(format!("{path}: {answer:?}, expected 200 {body}"));
        }
    }

    /// Expects an error with this code whose message begins so.
    fn refuses(
        &mut self,
        bearer: Option<&str>,
        path: &str,
        status: u16,
        code: &str,
        message: &str,
    ) {
        let answer = self.get(bearer, path);
        let error = answer.json();
        let said = error["message"].as_str().unwrap_or_default();
        if answer.status != status || error["code"] != json!(code) || !said.starts_with(message) {
            self.failures.push(format!(
                "{path}: {answer:?}, expected {status} {code} {message}"
            ));
        }
    }

    fn done(self) {
        assert!(self.failures.is_empty(), "{}", self.failures.join("\n"));
    }
}

fn ids(numbers: &[u32], column: &str) -> Value {
    let mut documents: Vec<Uuid> = numbers.iter().map(|n| document(*n)).collect();
    documents.sort();
    documents.iter().map(|id| json!({ column: id })).collect()
}

#[test]
fn answers_are_those_of_the_page() {
    let mut scene = Scene::set("http_answers");
    let (alice_token, bob_token) = (of(alice()), of(bob()));
    let (a, b) = (Some(alice_token.as_str()), Some(bob_token.as_str()));
    scene.gives(
        a,
        "/rpc/has_permission?document=D1&level=owner",
        json!(true),
    );
    scene.gives(
        b,
        "/rpc/has_permission?document=D1&level=viewer",
        json!(true),
    );
    scene.gives(
        b,
        "/rpc/has_permission?document=D1&level=editor",
        json!(false),
    );
    for hidden in ["D2", "D3", "D9"] {
        scene.gives(
            a,
            &format!("/rpc/has_permission?document={hidden}&level=viewer"),
            json!(false),
        );
        scene.gives(
            a,
            &format!("/rpc/effective_level?document={hidden}"),
            Value::Null,
        );
        scene.gives(a, &format!("/documents?id=eq.{hidden}"), json!([]));
        let path = format!("/rpc/list_permissions?document={hidden}");
        scene.refuses(a, &path, 404, "PT404", "document: ");
    }
    scene.gives(a, "/rpc/effective_level?document=D1", json!("owner"));
    scene.gives(b, "/rpc/effective_level?document=D1", json!("viewer"));
    scene.gives(None, "/rpc/effective_level?document=D1", Value::Null);
    scene.gives(None, "/rpc/effective_level?document=D4", json!("viewer"));
    scene.gives(
        a,
        "/rpc/list_documents?sort=id&select=document_id",
        ids(&[1], "document_id"),
    );
    scene.gives(
        None,
        "/rpc/list_documents?select=document_id",
        ids(&[4], "document_id"),
    );
    let owned = "/rpc/list_documents?level=owner&sort=id&select=document_id";
    scene.gives(b, owned, ids(&[2, 4], "document_id"));
    let mut holders = vec![
        json!({ "recipient_id": alice(), "level": "owner", "name": "Alice" }),
        json!({ "recipient_id": bob(), "level": "viewer", "name": null }),
    ];
    holders.sort_by_key(|holder| holder["recipient_id"].to_string());
    let permissions = "/rpc/list_permissions?document=D1&select=recipient_id,level,name";
    scene.gives(a, permissions, json!(holders));
    for caller in [b, None] {
        let document = if caller.is_some() { "D1" } else { "D4" };
        let path = format!("/rpc/list_permissions?document={document}");
        scene.refuses(caller, &path, 403, "PT403", "document: its permissions");
    }
    let one = json!([{ "id": document(1), "title": "One", "level": "owner" }]);
    scene.gives(a, "/documents?id=eq.D1&select=id,title,level", one);
    scene.gives(None, "/documents?select=id", ids(&[4], "id"));
    scene.gives(
        a,
        "/rpc/effective_level?document=D1&principal=ALICE",
        json!("owner"),
    );

    let service = token(JWT_SECRET, "deed_service", None, MINUTE);
    let s = Some(service.as_str());
    scene.gives(
        s,
        "/rpc/effective_level?document=D1&principal=BOB",
        json!("viewer"),
    );
    scene.gives(s, "/documents?select=id&order=id", ids(&[1, 2, 4], "id"));
    for route in [
        "has_permission?document=D1&level=viewer",
        "list_documents?sort=id",
    ] {
        scene.refuses(
            s,
            &format!("/rpc/{route}"),
            400,
            "PT400",
            "principal: expected a uuid",
        );
        for caller in [a, None] {
            let path = format!("/rpc/{route}&principal=BOB");
            scene.refuses(caller, &path, 403, "PT403", "principal: only a service");
        }
    }
    scene.done();
}

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

/// Whatever is asked, no answer names what lies outside schema `api`.
#[test]
fn nothing_outside_the_api_answers_or_is_named() {
    let scene = Scene::set("http_outside");
    let (alice_token, service) = (of(alice()), token(JWT_SECRET, "deed_service", None, MINUTE));
    let paths = [
        "/",
        "/permission",
        "/document",
        "/principal",
        "/stream_position",
        "/quarantine",
        "/deed.permission",
        "/pg_authid",
        "/pg_catalog.pg_class",
        "/rpc/apply",
        "/rpc/apply_batch",
        "/rpc/claim",
        "/rpc/reset_position",
        "/rpc/document?document=D1",
        "/rpc/identify",
        "/rpc/principal_asked?principal=ALICE",
        "/rpc/pg_sleep?seconds=1",
        "/rpc/everyone",
        "/rpc/has_permission",
        "/rpc/list_documents?nothing=1",
        "/documents?nothing=eq.1",
        "/documents?id=eq.x",
        "/documents?select=creation_version",
        "/documents?select=*,permission(*)",
        "/documents?select=id.count()",
    ];
    let forbidden = [
        "deed_http",
        "deed.",
        "permission_by_recipient",
        "stream_position",
        "quarantine",
        "apply_batch",
        "pg_catalog",
        "pg_class",
        "pg_authid",
        "PL/pgSQL",
        "SELECT ",
    ];
    let mut failures = Vec::new();
    for path in paths {
        for bearer in [None, Some(alice_token.as_str()), Some(service.as_str())] {
            let answer = scene.get(bearer, path);
            let named = forbidden
                .iter()
                // What the request said itself may be said again.
                .find(|word| {
                    answer.body.contains(**word) && !path.contains(word.trim_end_matches('.'))
                });
            if let Some(word) = named {
                failures.push(format!("{path} names {word}: {}", answer.body));
            }
            if path != "/" && answer.status < 400 && !path.starts_with("/rpc/list_documents") {
                failures.push(format!("{path} answers {}: {}", answer.status, answer.body));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
