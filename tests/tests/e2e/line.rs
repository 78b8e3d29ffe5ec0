//! The line itself: Kafka, consumer, check, list, HTTP.

use std::time::Duration;

use deed_tests::event::{Clock, Event, id};
use deed_tests::postgrest::token::token;
use deed_tests::process::wait_until;
use deed_tests::stage::{DEADLINE, JWT_SECRET, Line};
use serde_json::json;
use uuid::Uuid;

#[test]
fn one_event_reaches_a_check_a_list_and_an_http_answer() {
    let line = Line::shared("line", 1);
    let _consumer = line.consumer("a");
    let (document, anne, bob) = (id("line document"), id("line anne"), id("line bob"));
    let mut clock = Clock::default();
    line.send(&[
        clock.created(document, anne, "Roadmap").structured(),
        clock.granted(document, bob, "editor", anne).binary(),
    ]);
    line.wait_until_applied();

    let mut client = line.admin();
    let row = client
        .query_one(
            "SELECT deed.has_permission($1, $2, 'editor'), deed.has_permission($1, $2, 'owner'),
               deed.effective_level($3, $2)::text",
            &[&bob, &document, &anne],
        )
        .expect("check");
    assert!(row.get::<_, bool>(0), "editor");
    assert!(!row.get::<_, bool>(1), "no owner");
    assert_eq!(row.get::<_, &str>(2), "owner", "the creator's grant");

    let row = client
        .query_one(
            "SELECT document_id, level::text, title FROM deed.list_documents($1)",
            &[&bob],
        )
        .expect("list");
    assert_eq!(row.get::<_, Uuid>(0), document);
    assert_eq!(row.get::<_, &str>(1), "editor");
    assert_eq!(row.get::<_, &str>(2), "Roadmap");

    let http = line.postgrest();
    let bearer = token(JWT_SECRET, "deed_user", Some(bob), Duration::from_secs(60));
    let ask = |path: &str| http.get(path, Some(&bearer)).expect("answer");
    let check = ask(&format!(
        "/rpc/has_permission?document={document}&level=editor"
    ));
    assert_eq!((check.status, check.json()), (200, json!(true)));
    let list = ask("/rpc/list_documents");
    assert_eq!(list.status, 200);
    assert_eq!(list.json()[0]["document_id"], json!(document));
    let read = ask(&format!("/documents?id=eq.{document}"));
    assert_eq!(read.json()[0]["title"], json!("Roadmap"));
}

/// Every type this version knows, in both modes; each read back.
#[test]
fn each_type_of_event_does_what_it_says() {
    let line = Line::shared("types", 2);
    let _consumer = line.consumer("a");
    let (document, gone) = (id("types document"), id("types gone"));
    let (anne, bob, link) = (id("types anne"), id("types bob"), id("types link"));
    let mut clock = Clock::default();
    let events: Vec<Event> = vec![
        clock.created(document, anne, "Draft"),
        clock.event(
            "document.updated",
            document,
            json!({ "updated_by": bob, "title": "Final", "metadata": { "n": 1 }, "content": [1, "two"] }),
        ),
        clock.created(gone, anne, "Gone"),
        clock.deleted(gone, anne),
        clock.registered(bob, "user", "Bob"),
        clock.event(
            "principal.registered",
            link,
            json!({ "kind": "anonymous", "token_sha256": "00".repeat(32) }),
        ),
        clock.granted(document, bob, "editor", anne),
        clock.granted(document, link, "viewer", anne),
        clock.event(
            "permission.granted",
            gone,
            json!({ "recipient": bob, "level": "viewer", "granted_by": anne, "expires_at": "2026-01-02T00:00:00Z" }),
        ),
        clock.revoked(document, anne, anne),
    ];
    let in_both_modes = events.iter().enumerate().map(|(n, event)| match n % 2 {
        0 => event.structured(),
        _ => event.binary(),
    });
    line.send(&in_both_modes.collect::<Vec<_>>());
    line.wait_until_applied();

    let mut client = line.admin();
    let refused: i64 = client
        .query_one("SELECT count(*) FROM deed.quarantine", &[])
        .expect("quarantine")
        .get(0);
    assert_eq!(refused, 0);
    let read = client
        .query_one(
            "SELECT title, metadata::text, content::text, last_modified_by FROM deed.document($1)",
            &[&document],
        )
        .expect("document");
    assert_eq!(read.get::<_, &str>(0), "Final");
    assert_eq!(read.get::<_, &str>(1), r#"{"n": 1}"#);
    assert_eq!(read.get::<_, &str>(2), r#"[1, "two"]"#);
    assert_eq!(read.get::<_, Uuid>(3), bob);
    let holders: Vec<(Uuid, Option<String>, Option<String>, String)> = client
        .query(
            "SELECT recipient_id, recipient_type::text, name, level::text FROM deed.list_permissions($1)",
            &[&document],
        )
        .expect("permissions")
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect();
    let mut expected = vec![
        (
            bob,
            Some("user".to_owned()),
            Some("Bob".to_owned()),
            "editor".to_owned(),
        ),
        (
            link,
            Some("anonymous".to_owned()),
            None,
            "viewer".to_owned(),
        ),
    ];
    expected.sort();
    assert_eq!(holders, expected, "anne was revoked");
    let hidden: bool = client
        .query_one(
            "SELECT deed.effective_level($1, $2) IS NULL",
            &[&anne, &gone],
        )
        .expect("check")
        .get(0);
    assert!(hidden, "nobody has a level on a deleted document");
}

#[test]
fn an_event_counts_before_its_document_and_its_principal_are_known() {
    let line = Line::shared("early", 1);
    let _consumer = line.consumer("a");
    let (document, anne, bob) = (id("early document"), id("early anne"), id("early bob"));
    let mut clock = Clock::default();
    let created = clock.created(document, anne, "Late");
    line.send(&[clock.granted(document, bob, "viewer", anne).structured()]);
    line.wait_until_applied();
    let mut client = line.admin();
    let mut sees = || -> bool {
        client
            .query_one(
                "SELECT deed.has_permission($1, $2, 'viewer')",
                &[&bob, &document],
            )
            .expect("check")
            .get(0)
    };
    assert!(!sees(), "the document is not created yet");
    line.send(&[created.structured()]);
    wait_until("the grant counts", DEADLINE, || sees().then_some(())).expect("seen");
}
