//! What is not in schema `api`.

use deed_tests::postgrest::token;
use deed_tests::stage::JWT_SECRET;

use super::{MINUTE, Scene, alice, of};

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
