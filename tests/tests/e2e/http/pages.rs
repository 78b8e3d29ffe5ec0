//! Lists, page by page, by the header `Link` alone.

use std::collections::BTreeSet;

use deed_tests::event::{Clock, Event, id};
use deed_tests::owner::Owner;
use deed_tests::postgres::connect;
use deed_tests::postgrest::token::token;
use deed_tests::postgrest::{PostgRest, Request};
use deed_tests::stage::{JWT_SECRET, Line};
use serde_json::{Value, json};

use super::MINUTE;

/// All rows behind a path, and how many pages they took.
fn walk(http: &PostgRest, bearer: &str, path: &str) -> (Vec<Value>, usize) {
    let (mut rows, mut pages, mut next) = (Vec::new(), 0, Some(path.to_owned()));
    while let Some(path) = next {
        let answer = http.get(&path, Some(bearer)).expect("an answer");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        rows.extend(answer.json().as_array().cloned().expect("rows"));
        pages += 1;
        assert!(pages < 100, "{path} leads in a circle");
        next = answer.next(&path);
    }
    (rows, pages)
}

#[test]
fn every_list_is_walked_by_its_link() {
    let line = Line::shared("http_pages", 1);
    let [anne, team, plan] = ["anne", "team", "plan"].map(id);
    let mut clock = Clock::default();
    let mut events: Vec<Event> = vec![
        clock.registered(team, "group", "Team"),
        clock.created(plan, anne, "Plan"),
    ];
    for n in 0..20 {
        let [live, trash, member] =
            ["live", "trash", "member"].map(|kind| id(&format!("{kind} {n}")));
        events.push(clock.created(live, anne, "Live"));
        events.push(clock.created(trash, anne, "Trash"));
        events.push(clock.deleted(trash, anne));
        events.push(clock.member_added(team, member));
        events.push(clock.granted(plan, member, "viewer", anne));
    }
    let login = connect(&line.postgres.consumer_url(&line.name)).expect("a login");
    let records: Vec<_> = events.iter().map(Event::structured).collect();
    Owner::claim(login, 0)
        .expect("claimed")
        .apply(&records)
        .expect("applied");

    let http = line.postgrest();
    let of_anne = token(JWT_SECRET, "deed_user", Some(anne), MINUTE);
    let service = token(JWT_SECRET, "deed_service", None, MINUTE);
    for (bearer, path, column, expected) in [
        (
            &of_anne,
            "list_documents?level=owner".to_owned(),
            "document_id",
            21,
        ),
        (
            &of_anne,
            "list_documents?sort=id&level=viewer".to_owned(),
            "document_id",
            21,
        ),
        (
            &service,
            format!("list_documents?principal={anne}&sort=last_modified"),
            "document_id",
            21,
        ),
        (
            &of_anne,
            "list_deleted?select=document_id,title".to_owned(),
            "document_id",
            20,
        ),
        (
            &service,
            format!("list_deleted?principal={anne}"),
            "document_id",
            20,
        ),
        (
            &of_anne,
            format!("list_permissions?document={plan}"),
            "recipient_id",
            21,
        ),
        (
            &service,
            format!("list_permissions?document={plan}&principal={anne}"),
            "recipient_id",
            21,
        ),
        (
            &of_anne,
            format!("list_principals?document={plan}&level=viewer"),
            "principal_id",
            21,
        ),
        (
            &service,
            format!("list_principals?document={plan}&principal={anne}"),
            "principal_id",
            21,
        ),
        (
            &service,
            format!("list_members?group_id={team}"),
            "member_id",
            20,
        ),
    ] {
        // 21 and 20 rows: a last page that is short, and one that is empty.
        for size in [4, 7, 10] {
            let path = format!("/rpc/{path}&page_size={size}");
            let (rows, pages) = walk(&http, bearer, &path);
            let ids: BTreeSet<&str> = rows.iter().filter_map(|row| row[column].as_str()).collect();
            assert_eq!((rows.len(), ids.len()), (expected, expected), "{path}");
            assert_eq!(pages, expected / size + 1, "{path}");
            let whole = http.get(
                &path.replace(&format!("page_size={size}"), "page_size=1000"),
                Some(bearer),
            );
            let whole = whole.expect("an answer").json();
            let order = |rows: &[Value]| {
                rows.iter()
                    .map(|row| row[column].clone())
                    .collect::<Vec<_>>()
            };
            assert_eq!(
                order(&rows),
                order(whole.as_array().expect("rows")),
                "{path}"
            );
        }
    }

    // A page of another origin may read where to go on.
    let request = Request::get("/rpc/list_documents?page_size=1").bearer(Some(&of_anne));
    let answer = http
        .ask(request.header("Origin", "https://app.example"))
        .expect("an answer");
    let exposed = answer
        .header("access-control-expose-headers")
        .unwrap_or_default();
    assert!(
        answer.header("link").is_some() && exposed.contains("Link"),
        "{answer:?}"
    );

    // Another principal's cursor starts nothing, whoever brings it.
    let first = http
        .get("/rpc/list_documents?page_size=1", Some(&of_anne))
        .expect("an answer");
    let cursor = &first.json()[0]["cursor"];
    let path = format!(
        "/rpc/list_documents?after={}",
        cursor.as_str().expect("a cursor")
    );
    let bob = token(JWT_SECRET, "deed_user", Some(id("bob")), MINUTE);
    for bearer in [Some(bob.as_str()), None] {
        let answer = http.get(&path, bearer).expect("an answer");
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (400, &json!("PD003")),
            "{answer:?}"
        );
    }
}
