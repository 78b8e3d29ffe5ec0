//! A cursor continues behind its row whatever has become of that since, and belongs to one question.

use deed_tests::event::{Clock, Event, id};
use postgres::Client;
use postgres::error::DbError;
use serde_json::json;
use uuid::Uuid;

use crate::ground::Ground;

const DOCUMENTS: usize = 1_100;

fn note(n: usize) -> Uuid {
    id(&format!("note {n}"))
}

/// Bob owns notes and trash, each with more rows than a page may have; one note and one group have
/// as many holders and members.
fn ground(name: &str) -> Ground {
    let ground = Ground::new(name);
    let clock = &mut Clock::default();
    let [anne, bob, team] = ["anne", "bob", "team"].map(id);
    let mut events = Vec::new();
    for n in 0..DOCUMENTS {
        events.push(clock.created(note(n), bob, &format!("Note {n}")));
        let trash = id(&format!("trash {n}"));
        events.push(clock.created(trash, bob, "Trash"));
        events.push(clock.deleted(trash, bob));
        let member = id(&format!("member {n}"));
        events.push(clock.granted(note(0), member, "viewer", bob));
        events.push(clock.member_added(team, member));
    }
    events.push(clock.granted(note(0), anne, "owner", bob));
    events.push(clock.created(id("anne's"), anne, "Anne's"));
    let records: Vec<_> = events.iter().map(Event::structured).collect();
    ground.owner(0).apply(&records).expect("applied");
    ground
}

/// Every list, and what else it may be asked: `after` and `page_size` follow.
fn questions() -> Vec<String> {
    let [anne, bob, team, firm] = ["anne", "bob", "team", "firm"].map(id);
    let (first, second) = (note(0), note(1));
    [
        format!("list_documents('{bob}', 'viewer', 'last_modified'"),
        format!("list_documents('{bob}', 'editor', 'last_modified'"),
        format!("list_documents('{bob}', 'viewer', 'id'"),
        format!("list_documents('{bob}', 'owner', 'id'"),
        format!("list_documents('{anne}', 'viewer', 'last_modified'"),
        format!("list_documents('{anne}', 'viewer', 'id'"),
        format!("list_principals('{first}', 'viewer'"),
        format!("list_principals('{first}', 'owner'"),
        format!("list_principals('{second}', 'viewer'"),
        format!("list_permissions('{first}'"),
        format!("list_permissions('{second}'"),
        format!("list_members('{team}'"),
        format!("list_members('{firm}'"),
        format!("list_deleted('{bob}'"),
        format!("list_deleted('{anne}'"),
    ]
    .into()
}

fn page(
    client: &mut Client,
    question: &str,
    after: Option<&str>,
    size: i32,
) -> Result<Vec<String>, Box<DbError>> {
    let query = format!("SELECT cursor FROM deed.{question}, $1, $2)");
    match client.query(&query, &[&after, &size]) {
        Ok(rows) => Ok(rows.iter().map(|row| row.get(0)).collect()),
        Err(error) => {
            let refusal = error.as_db_error();
            let refusal = refusal.unwrap_or_else(|| panic!("{query}: {error}"));
            Err(Box::new(refusal.clone()))
        }
    }
}

fn assert_refused(outcome: Result<Vec<String>, Box<DbError>>, code: &str, what: &str) {
    let error = outcome.expect_err(what);
    assert_eq!(error.code().code(), code, "{what}: {error}");
    let message = error.message();
    match code {
        "PD003" => {
            assert!(message.starts_with("after: "), "{what}: {message}");
            assert!(message.contains("expected"), "{what}: {message}");
            assert!(error.hint().is_some(), "{what}: no hint");
        }
        _ => assert!(
            message.contains("page_size") && message.contains("1 to 1000"),
            "{what}: {message}"
        ),
    }
}

#[test]
fn a_cursor_belongs_to_one_question() {
    let mut ground = ground("lists_cursors");
    let client = ground.client();
    let questions = questions();
    let mut refused = 0;
    for asked in &questions {
        let first = page(client, asked, None, 3).expect("a page");
        let Some(cursor) = first.first() else {
            continue;
        };
        assert_eq!(
            page(client, asked, Some(cursor), 2).expect("the rest"),
            first[1..],
            "{asked}"
        );
        for other in questions.iter().filter(|other| *other != asked) {
            let what = format!("{other} with a cursor of {asked}");
            assert_refused(page(client, other, Some(cursor), 3), "PD003", &what);
            refused += 1;
        }
        for n in 0..cursor.len() {
            for byte in [b'A', b'z', b'_', b'=', b' '] {
                let mut tampered = cursor.clone().into_bytes();
                if std::mem::replace(&mut tampered[n], byte) == byte {
                    continue;
                }
                let tampered = String::from_utf8(tampered).expect("ASCII");
                let what = format!("{asked} with {tampered} for {cursor}");
                assert_refused(page(client, asked, Some(&tampered), 3), "PD003", &what);
                refused += 1;
            }
        }
        for other in [
            "",
            "A",
            "null",
            "🦀",
            &cursor[1..],
            &format!("{cursor}A"),
            &format!("{cursor}="),
            &format!(" {cursor}"),
            &cursor.to_ascii_uppercase(),
            &"A".repeat(1_000_000),
        ] {
            assert_refused(page(client, asked, Some(other), 3), "PD003", asked);
            refused += 1;
        }
    }
    println!("{refused} cursors refused");
}

#[test]
fn a_page_has_one_row_at_least_and_a_thousand_at_most() {
    let mut ground = ground("lists_sizes");
    let client = ground.client();
    for asked in questions() {
        let whole = page(client, &asked, None, 1_000).expect("a thousand");
        assert!(whole.len() <= 1_000, "{asked}");
        let first = page(client, &asked, None, 1).expect("one");
        assert_eq!(first, whole[..whole.len().min(1)], "{asked}");
        for size in [0, -1, 1_001, i32::MIN, i32::MAX] {
            let what = format!("{asked} by pages of {size}");
            assert_refused(page(client, &asked, None, size), "PD004", &what);
            assert_refused(
                page(client, &asked, first.first().map(String::as_str), size),
                "PD004",
                &what,
            );
        }
    }
    for (asked, rows) in [
        (0, 1_000),
        (2, 1_000),
        (6, 1_000),
        (9, 1_000),
        (11, 1_000),
        (13, 1_000),
        (8, 1),
    ] {
        let asked = &questions()[asked];
        let whole = page(client, asked, None, 1_000).expect("a thousand");
        assert_eq!(whole.len(), rows, "{asked}");
        let rest = page(client, asked, whole.last().map(String::as_str), 1_000).expect("the rest");
        assert!(
            rest.len() < 1_000 && (rows < 1_000 || rest.len() >= 100),
            "{asked}: {}",
            rest.len()
        );
    }
}

/// Titles in the order in which Bob's notes are listed, behind a cursor.
fn titles(client: &mut Client, sort: &str, after: &str) -> Vec<String> {
    let query =
        "SELECT title FROM deed.list_documents($1, 'viewer', $2::text::deed.document_sort, $3, 4)";
    let rows = client
        .query(query, &[&id("bob"), &sort, &after])
        .expect(query);
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_cursor_outlives_what_becomes_of_its_row() {
    let mut ground = ground("lists_versions");
    let mut owner = ground.owner(1);
    let client = ground.client();
    let bob = id("bob");
    let mut clock = Clock::default();
    for _ in 0..10 * DOCUMENTS {
        clock.restored(bob, bob);
    }
    for sort in ["last_modified", "id"] {
        for fate in ["updated", "granted", "revoked", "deleted", "purged"] {
            let query = "SELECT document_id, cursor, title FROM deed.list_documents($1, 'viewer', $2::text::deed.document_sort, NULL, 20)";
            let rows = client.query(query, &[&bob, &sort]).expect(query);
            let place = 7;
            let (row, cursor): (Uuid, String) = (rows[place].get(0), rows[place].get(1));
            let behind: Vec<String> = rows[place + 1..][..4]
                .iter()
                .map(|row| row.get(2))
                .collect();
            assert_eq!(titles(client, sort, &cursor), behind);
            let event = match fate {
                "updated" => clock.updated(row, bob, json!({ "title": "Changed" })),
                "granted" => clock.granted(row, bob, "viewer", bob),
                "revoked" => clock.revoked(row, bob, bob),
                "deleted" => clock.deleted(row, bob),
                _ => clock.purged(row, bob),
            };
            owner.apply(&[event.structured()]).expect("applied");
            assert_eq!(titles(client, sort, &cursor), behind, "{sort}, {fate}");
        }
    }
}

/// The first row's cursor of each question that has one, as 0.2.0 gave it: clients keep cursors while
/// the extension is updated.
const GIVEN: &[&str] = &[
    "AQAC6kcLPDzAZ_MGHkKKV8qVTQg8ivaW7XX-5B0KyhH9",
    "AQAC6kcLPDzAZ_MGHkKKV8qVTQg8ivaW7SPURMX_7KGv",
    "AQAC6kcLOnuIAEI2lVchUlSkoKbnjghOsdsRIgYNpzwu",
    "AQAC6kcLOnuIAEI2lVchUlSkoKbnjghOsZZJvyNktl90",
    "AQAC6kcLPFQwbxRMRlRpW0iH6nAbQF3bzYGibVjiUzcZ",
    "AQAC6kcK6GPoOWI0XjkZWMmhKCo4ueDzlscfJeKYgTVn",
    "AQBAfyN49VBtugEty5Rgqg8aL_-l6urToA",
    "AV3c7u30jlSemDP8rKMpmrziaxwYEw2KDw",
    "AV3c7u30jlSemDP8rKMpmryxBgnsmHcPuw",
    "AQBAfyN49VBtugEty5Rgqg-zvac1GBZapQ",
    "AV3c7u30jlSemDP8rKMpmrwnCNPC5-Hd_w",
    "AQBAfyN49VBtugEty5Rgqg_iNYvXR6r8Zw",
    "AQAC6kcLPESQo6L-yhQOWJGKnzcbicoZVRLUKdVpJM0D",
];

#[test]
fn a_cursor_outlives_the_version_that_gave_it() {
    let mut ground = ground("lists_given");
    let client = ground.client();
    let questions = questions().into_iter();
    let given: Vec<String> = questions
        .filter_map(|asked| page(client, &asked, None, 1).expect("a page").pop())
        .collect();
    assert_eq!(given, GIVEN);
}
