//! What a complete question gives.

use deed_tests::postgrest::token;
use deed_tests::stage::JWT_SECRET;
use serde_json::{Value, json};

use super::{MINUTE, Scene, alice, bob, document, ids, of};

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
    for caller in [a, None] {
        scene.gives(caller, "/rpc/effective_level?document=D4", json!("viewer"));
    }
    scene.gives(
        a,
        "/rpc/list_documents?sort=id&select=document_id",
        ids(&[1, 4], "document_id"),
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
