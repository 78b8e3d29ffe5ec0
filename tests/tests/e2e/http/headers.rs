//! Headers of answers, for caches and for browsers.

use deed_tests::postgrest::Request;

use super::{Findings, Scene, of};

#[test]
fn nobody_keeps_an_answer_and_pages_of_other_origins_read_its_headers() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    let alice = of("alice");
    for path in [
        "/rpc/has_permission?document=D1&level=owner",
        "/rpc/list_documents?page_size=1",
        "/rpc/list_permissions?document=D2",
        "/rpc/list_permissions?document=x",
        "/documents?id=eq.D1",
    ] {
        let request = Request::get(&Scene::path(path)).bearer(Some(&alice));
        let answer = scene.ask(request.header("Origin", "https://app.example"));
        let cache = answer.header("cache-control");
        findings.expect(
            &format!("{path}: {cache:?}"),
            cache.as_deref() == Some("private, no-store"),
        );
        let exposed = answer.header("access-control-expose-headers");
        let readable = exposed.as_deref().unwrap_or_default();
        findings.expect(
            &format!("{path}: {exposed:?}"),
            ["Link", "Retry-After"]
                .iter()
                .all(|name| readable.contains(name)),
        );
        let origin = answer.header("access-control-allow-origin");
        findings.expect(&format!("{path}: {origin:?}"), origin.is_some());
    }
    let preflight = Request::new("OPTIONS", "/rpc/list_documents")
        .header("Origin", "https://app.example")
        .header("Access-Control-Request-Method", "GET")
        .header(
            "Access-Control-Request-Headers",
            "authorization,share-link,deed-position",
        );
    let allowed = scene.ask(preflight).header("access-control-allow-headers");
    let allowed = allowed.unwrap_or_default().to_lowercase();
    for header in ["authorization", "share-link", "deed-position"] {
        findings.expect(&format!("{header} in {allowed}"), allowed.contains(header));
    }
}
