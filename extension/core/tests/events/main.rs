//! What events take and refuse.

mod stored;
mod types;

use deed_core::Rejection;
use deed_core::event::{Body, Event};
use deed_core::version::Instant;

const ID: &str = "0b5f6b3a-2f3e-4d52-9d2f-6f0a3c1e7a11";

fn parse_at(kind: &str, subject: &str, time: &str, data: &str) -> Result<Event, Rejection> {
    let text = format!(
        r#"{{"specversion":"1.0","id":"1","source":"/s","type":"{kind}","subject":"{subject}",
            "time":"{time}","data":{data}}}"#
    );
    let latest = Instant::parse("latest", "2026-06-01T00:00:00Z").unwrap();
    Event::from_structured(&text, latest)
}

fn parse(kind: &str, data: &str) -> Result<Event, Rejection> {
    let data = data.replace("ID", &format!("\"{ID}\""));
    parse_at(kind, ID, "2026-01-01T00:00:00Z", &data)
}

#[test]
fn what_postgres_could_not_store_and_unknown_types_are_named() {
    for (kind, data, field) in [
        (
            "document.created",
            r#"{"created_by":ID,"title":"\ud800"}"#,
            "data.title",
        ),
        (
            "document.created",
            r#"{"created_by":ID,"content":1e999999}"#,
            "data.content",
        ),
        ("document.archived", "{}", "type"),
    ] {
        assert_eq!(parse(kind, data).unwrap_err().field, field, "{kind} {data}");
    }
}

#[test]
fn subjects_are_uuids_that_are_not_built_in() {
    let data = r#"{"by":null}"#;
    let no_hyphens = ID.replace('-', "");
    let braces = format!("{{{ID}}}");
    for subject in [
        "x",
        "00000000-0000-0000-0000-000000000001",
        &no_hyphens,
        &braces,
    ] {
        let error =
            parse_at("document.deleted", subject, "2026-01-01T00:00:00Z", data).unwrap_err();
        assert_eq!(error.field, "subject", "{subject}");
    }
}

#[test]
fn the_skew_is_a_limit_to_the_nanosecond() {
    let at = |time| parse_at("document.deleted", ID, time, r#"{"by":null}"#);
    assert!(at("2026-06-01T00:00:00Z").is_ok());
    assert_eq!(
        at("2026-06-01T00:00:00.000000001Z").unwrap_err().field,
        "time"
    );
}

#[test]
fn null_clears_or_means_never_or_unknown() {
    let updated = parse("document.updated", r#"{"updated_by":ID,"title":null}"#).unwrap();
    let Body::DocumentUpdated { parts, .. } = updated.body else {
        panic!()
    };
    assert_eq!((parts.title, parts.metadata), (Some(None), None));
    let granted = r#"{"recipient":"everyone","level":"viewer","granted_by":ID,"expires_at":null}"#;
    let granted = parse("permission.granted", granted).unwrap();
    let Body::PermissionGranted {
        recipient,
        expires_at,
        ..
    } = granted.body
    else {
        panic!()
    };
    assert_eq!((recipient, expires_at), (deed_core::EVERYONE, None));
}

/// What says the same has the same version; what says something else has another.
#[test]
fn the_digest_sees_meaning_not_spelling() {
    let version = |data: &str| parse("document.created", data).unwrap().version;
    let plain = version(r#"{"created_by":ID,"content":{"a":100,"b":[1.50]}}"#);
    let spelled = r#"{"unknown":1e999999,"content":{"b":[15e-1],"a":1e2},"created_by":ID}"#;
    assert_eq!(plain, version(spelled));
    let upper_case = spelled.replace("ID", &format!("\"{}\"", ID.to_uppercase()));
    assert_eq!(plain, version(&upper_case));
    assert_ne!(
        plain,
        version(r#"{"created_by":ID,"content":{"a":100,"b":[1.5]},"title":null}"#)
    );
    assert_ne!(
        plain,
        version(r#"{"created_by":ID,"content":{"a":"100","b":[1.5]}}"#)
    );
}
