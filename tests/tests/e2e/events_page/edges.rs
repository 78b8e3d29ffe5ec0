//! What is wrong, the schema and the product refuse alike, and name the same member; what only looks
//! wrong, both take.

use serde_json::{Map, Value, json};

use super::{apply, database, example, field, schema, types_of_the_product, validator_of};

const ID: &str = "5d0e9a52-9d2f-4b11-8c55-3f1b5a7d9e01";
const EVERYONE: &str = "00000000-0000-0000-0000-000000000001";
const USERS: &str = "00000000-0000-0000-0000-000000000002";

/// Type, path and values that are wrong there.
fn wrong() -> Value {
    let bare = ID.replace('-', "");
    let no_uuid = json!([
        "me",
        bare,
        format!("{{{ID}}}"),
        format!("urn:uuid:{ID}"),
        7,
        [ID],
        ""
    ]);
    let and = |more: Value| {
        let both = [no_uuid.clone(), more];
        both.iter()
            .flat_map(|values| values.as_array().expect("values"))
            .cloned()
            .collect::<Value>()
    };
    let (by, actor) = (and(json!(["everyone"])), and(json!(["everyone", null])));
    let unreserved = and(json!(["users", null, EVERYONE, USERS]));
    let recipient = and(json!(["nobody", "Users", null]));
    let (text, object) = (json!([7, ["a"], {}, true]), json!([[], "{}", 0]));
    let hex = json!(["abcd", "g".repeat(64), "a".repeat(65), 7]);
    let long = "x".repeat(1_025);
    let time = json!([
        "soon",
        "2026-01-31",
        "2026-01-31T09:30:00",
        "2026-02-30T09:30:00Z",
        "",
        "2026-01-31T24:00:00Z",
        "2026-1-31T09:30:00Z",
        "2026-01-31T09:30:00.Z",
        "2026-01-31T09:30:00+0100",
        1_769_851_800
    ]);
    json!([
        ["document.created", "data.created_by", unreserved],
        ["document.created", "data.title", text],
        ["document.created", "data.metadata", object],
        ["document.updated", "data.updated_by", actor],
        ["document.updated", "data.title", text],
        ["document.updated", "data.metadata", object],
        ["document.deleted", "data.by", by],
        ["document.restored", "data.by", by],
        ["document.purged", "data.by", by],
        [
            "principal.registered",
            "data.kind",
            ["robot", "User", "", null]
        ],
        ["principal.registered", "data.name", text],
        ["principal.registered", "data.token_sha256", hex],
        ["principal.updated", "data.description", text],
        ["principal.updated", "data.token_sha256", hex],
        ["principal.removed", "data.by", by],
        ["principal.restored", "data.by", by],
        ["principal.promoted", "data.user", unreserved],
        ["group.member_added", "data.member", unreserved],
        ["group.member_added", "data.by", by],
        ["group.member_removed", "data.member", unreserved],
        ["group.member_removed", "data.by", by],
        ["permission.granted", "data.recipient", recipient],
        [
            "permission.granted",
            "data.level",
            ["Owner", "admin", 3, null]
        ],
        ["permission.granted", "data.granted_by", actor],
        ["permission.granted", "data.expires_at", time],
        ["permission.revoked", "data.recipient", recipient],
        ["permission.revoked", "data.revoked_by", actor],
        ["permission.granted", "subject", unreserved],
        ["group.member_added", "time", time],
        ["document.deleted", "time", [null]],
        [
            "document.deleted",
            "type",
            ["document.archived", "Document.deleted", "", 1, null]
        ],
        [
            "document.deleted",
            "specversion",
            ["0.3", "1.0.2", 1.0, null]
        ],
        ["document.deleted", "id", ["", 7, null, long]],
        ["document.deleted", "source", ["", {}, null, long]],
        [
            "document.deleted",
            "sequence",
            [1.5, 2_147_483_648_i64, [1], long]
        ],
        [
            "document.deleted",
            "datacontenttype",
            ["text/plain", "text/xml; a=+json", "", 1]
        ],
        ["document.deleted", "data", [null, [], "{}"]],
        ["document.deleted", "data_base64", ["e30=", null]],
    ])
}

/// Type, path and values that are right there.
fn right() -> Value {
    let (upper_case, long) = (ID.to_uppercase(), "x".repeat(1_024));
    let any = json!([null, false, 1.5e3, "text", [[], {}], { "a": null }]);
    json!([
        ["document.created", "data.created_by", [upper_case]],
        ["document.created", "data.title", [null, ""]],
        ["document.created", "data.metadata", [null, {}, { "a": [1] }]],
        ["document.created", "data.content", any],
        ["document.created", "data.unknown", any],
        ["document.updated", "data.updated_by", [EVERYONE]],
        ["document.deleted", "data.by", [null, USERS]],
        ["principal.registered", "data.kind", ["user", "anonymous", "group"]],
        ["principal.registered", "data.token_sha256", [null, "aB".repeat(32)]],
        ["principal.updated", "data.description", [null, ""]],
        ["principal.removed", "data.by", [null, USERS]],
        ["principal.restored", "data.by", [null, upper_case]],
        ["group.member_added", "data.by", [null, USERS]],
        ["group.member_removed", "data.by", [null, upper_case]],
        ["permission.granted", "data.recipient", ["everyone", "users", upper_case]],
        ["permission.granted", "data.level", ["viewer", "editor", "owner"]],
        ["permission.granted", "data.expires_at", [null, "9999-12-31T23:59:59.9999999999+00:00"]],
        ["permission.revoked", "data.recipient", ["everyone", "users"]],
        ["document.deleted", "time",
            ["2026-01-31t09:30:00z", "0000-01-01T00:00:00Z", "2026-01-31T09:30:00-08:00"]],
        ["document.deleted", "id", [long, "ä b"]],
        ["document.deleted", "sequence", [null, "", "1", -2_147_483_648_i64, 10.0]],
        ["document.deleted", "datacontenttype",
            [null, "application/json; charset=utf-8", "application/vnd.plan+json"]],
        ["document.deleted", "traceparent", any],
    ])
}

/// The rows of a table: type, path, value.
fn rows(table: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    table.as_array().expect("rows").iter().flat_map(|row| {
        let (kind, path) = (
            row[0].as_str().expect("a type"),
            row[1].as_str().expect("a path"),
        );
        row[2]
            .as_array()
            .expect("values")
            .iter()
            .map(move |value| (kind, path, value))
    })
}

/// The members of the object that a path leads into, and the path's end.
fn at<'e>(event: &'e mut Value, path: &'e str) -> (&'e mut Map<String, Value>, &'e str) {
    let (parent, member) = match path.split_once('.') {
        Some((parent, member)) => (&mut event[parent], member),
        None => (event, path),
    };
    (parent.as_object_mut().expect("an object"), member)
}

/// What must be there: of every event, and of the type's data.
fn required(kind: &str) -> Vec<String> {
    let schema = schema();
    let names = |of: &Value| -> Vec<String> {
        let names = of["required"].as_array().into_iter().flatten();
        names
            .map(|name| name.as_str().expect("a name").to_owned())
            .collect()
    };
    let of_data = names(&schema["$defs"][kind]);
    let of_data = of_data.into_iter().map(|name| format!("data.{name}"));
    names(&schema).into_iter().chain(of_data).collect()
}

#[test]
fn the_schema_and_the_product_refuse_the_same_and_name_the_same_member() {
    let (validator, mut client) = (validator_of(&schema()), database("events_page_refused"));
    let mut cases = Vec::new();
    for (kind, path, value) in rows(&wrong()) {
        let mut event = example(kind);
        let (members, member) = at(&mut event, path);
        members.insert(member.to_owned(), value.clone());
        cases.push((format!("{kind}: {path} = {value}"), path.to_owned(), event));
    }
    for kind in types_of_the_product() {
        for path in required(&kind) {
            let mut event = example(&kind);
            let (members, member) = at(&mut event, &path);
            members.remove(member).expect("the example has it");
            cases.push((format!("{kind} without {path}"), path, event));
        }
    }
    let mut disagreements = Vec::new();
    for (what, path, event) in cases {
        let said: Vec<String> = validator
            .iter_errors(&event)
            .map(|error| field(&error))
            .collect();
        if !said.contains(&path) {
            disagreements.push(format!("{what}: the schema names {said:?}"));
        }
        let applied = apply(&mut client, &event);
        if applied.as_ref() != Err(&path) {
            disagreements.push(format!("{what}: the product says {applied:?}"));
        }
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
    let held = client
        .query_one("SELECT count(*) FROM deed.document", &[])
        .expect("count");
    assert_eq!(held.get::<_, i64>(0), 0, "what is refused leaves nothing");
}

#[test]
fn the_schema_and_the_product_take_the_same() {
    let (validator, mut client) = (validator_of(&schema()), database("events_page_taken"));
    let mut cases = Vec::new();
    for (kind, path, value) in rows(&right()) {
        let mut event = example(kind);
        let (members, member) = at(&mut event, path);
        members.insert(member.to_owned(), value.clone());
        cases.push((format!("{kind}: {path} = {value}"), event));
    }
    // Whatever is not required may be left out.
    for kind in types_of_the_product() {
        let (mut event, required) = (example(&kind), required(&kind));
        let data = event["data"].as_object_mut().expect("data");
        data.retain(|name, _| required.contains(&format!("data.{name}")));
        event
            .as_object_mut()
            .expect("an event")
            .retain(|name, _| required.contains(name));
        cases.push((format!("{kind}: what is required alone"), event));
    }
    let mut disagreements = Vec::new();
    for (what, event) in cases {
        let said: Vec<String> = validator
            .iter_errors(&event)
            .map(|error| error.to_string())
            .collect();
        if !said.is_empty() {
            disagreements.push(format!("{what}: the schema says {said:?}"));
        }
        if let Err(field) = apply(&mut client, &event) {
            disagreements.push(format!("{what}: the product refuses {field}"));
        }
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}
