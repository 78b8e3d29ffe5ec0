//! `docs/RLS.md` against the product: its SQL, its plans, and what sessions then see.

use std::fs;

use deed_tests::event::{Clock, Event};
use deed_tests::stage::PLACE;
use postgres::{Client, SimpleQueryMessage};
use uuid::{Uuid, uuid};

use crate::ground::Ground;

const BOB: Uuid = uuid!("b0b00000-0000-4000-8000-000000000001");
const ANNE: Uuid = uuid!("a44e0000-0000-4000-8000-000000000001");
const NOTES: usize = 3_000;

fn note(n: usize) -> Uuid {
    Uuid::from_u128(uuid!("d0c00000-0000-4000-8000-000000000000").as_u128() + n as u128)
}

/// A block of the page's SQL, and the lines of the plan that the page shows behind it.
struct Block {
    sql: String,
    plan: Vec<String>,
}

fn blocks() -> Vec<Block> {
    let page = fs::read_to_string(PLACE.root.join("docs/RLS.md")).expect("the page");
    let mut blocks: Vec<Block> = Vec::new();
    for (n, fenced) in page.split("```").enumerate().filter(|(n, _)| n % 2 == 1) {
        match fenced.strip_prefix("sql\n") {
            Some(sql) => blocks.push(Block {
                sql: sql.to_owned(),
                plan: Vec::new(),
            }),
            None => {
                let block = blocks
                    .last_mut()
                    .unwrap_or_else(|| panic!("a plan of nothing: {n}"));
                block.plan = fenced.lines().map(|line| line.trim().to_owned()).collect();
                block.plan.retain(|line| !line.is_empty());
            }
        }
    }
    blocks
}

/// Runs statements and gives the text of what they return.
fn text(client: &mut Client, sql: &str) -> Vec<String> {
    let messages = client
        .simple_query(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let columns = (0..row.len()).map(|n| row.get(n).unwrap_or("null"));
            Some(columns.collect::<Vec<_>>().join(" | "))
        }
        _ => None,
    });
    rows.collect()
}

/// A page of Bob's is the first note, which he edits, the second, which he views, and every hundredth.
fn told(ground: &Ground) {
    let clock = &mut Clock::default();
    let mut events: Vec<Event> = Vec::new();
    for n in 1..=NOTES {
        events.push(clock.created(note(n), ANNE, "Note"));
        match n {
            1 => events.push(clock.granted(note(n), BOB, "editor", ANNE)),
            2 => events.push(clock.granted(note(n), BOB, "viewer", ANNE)),
            _ if n % 100 == 0 => events.push(clock.granted(note(n), BOB, "viewer", ANNE)),
            _ => {}
        }
    }
    let records: Vec<_> = events.iter().map(Event::structured).collect();
    ground.owner(0).apply(&records).expect("applied");
}

const FILL: &str = "
    INSERT INTO note SELECT d.id, 'author ' || n % 300, 'Dear ' || n, '2026-01-01'::timestamptz + n * interval '1 hour'
      FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM deed.document) AS d;
    ANALYZE note";

/// A session that speaks for a principal, within one transaction.
fn speak(client: &mut Client, principal: &str) {
    let begin = format!("BEGIN; SET LOCAL ROLE note_app; SET LOCAL deed.principal = '{principal}'");
    text(client, &begin);
}

fn one(client: &mut Client, sql: &str) -> String {
    text(client, sql).join("\n")
}

/// The SQLSTATE that a statement fails with, in a session that speaks for Bob.
fn refused(client: &mut Client, sql: &str) -> String {
    speak(client, &BOB.to_string());
    let error = client.batch_execute(sql).expect_err(sql);
    text(client, "ROLLBACK");
    error.code().expect("a code").code().to_owned()
}

#[test]
fn the_page_says_what_happens() {
    let ground = Ground::new("row_security");
    told(&ground);
    let mut client = ground.session();
    let mut plans = 0;
    for Block { sql, plan } in blocks() {
        match sql.starts_with("EXPLAIN") || sql.contains("\nEXPLAIN") {
            // Planned as the application's role, for whom alone the policies are there.
            true => {
                let (before, explain) = sql.split_at(sql.find("EXPLAIN").expect("a plan"));
                text(&mut client, before);
                speak(&mut client, &BOB.to_string());
                let found = text(&mut client, explain);
                text(&mut client, "COMMIT");
                assert!(!plan.is_empty(), "no plan behind {explain}");
                for line in plan {
                    let shown = found.iter().any(|found| found.contains(&line));
                    assert!(
                        shown,
                        "{explain}\nexpected {line}, found\n{}",
                        found.join("\n")
                    );
                    plans += 1;
                }
            }
            false => {
                text(&mut client, &sql);
                if sql.contains("CREATE POLICY note_of_login") {
                    text(&mut client, "SET SESSION AUTHORIZATION note_web");
                    speak(&mut client, &BOB.to_string());
                    let rows = one(&mut client, "SELECT count(*) > 1 FROM note");
                    text(&mut client, "COMMIT; RESET SESSION AUTHORIZATION");
                    assert_eq!(rows, "t", "the application's own login");
                }
                if sql.contains("CREATE TABLE note") {
                    text(&mut client, FILL);
                }
                if sql.contains("CREATE TABLE log (") {
                    text(
                        &mut client,
                        "INSERT INTO log SELECT id, '2026-05-01' FROM note; ANALYZE log",
                    );
                }
            }
        }
    }
    assert!(plans > 12, "the page shows {plans} lines of plans");

    let leaky = "SELECT string_agg(o.oid::regoperator::text, ', ') FROM pg_operator AS o
        JOIN pg_proc AS p ON p.oid = o.oprcode WHERE NOT p.proleakproof AND o.oprleft = o.oprright
          AND o.oprname IN ('=', '<', '>', '<=', '>=') AND o.oprleft::regtype::text
            IN ('uuid', 'integer', 'bigint', 'text', 'timestamp with time zone', 'boolean')";
    assert_eq!(one(&mut client, leaky), "null", "leaky comparisons");

    let bobs = NOTES / 100 + 2;
    let sees = |client: &mut Client, who: &str, sql: &str| {
        speak(client, who);
        let answer = one(client, sql);
        text(client, "COMMIT");
        answer
    };
    let bob = BOB.to_string();
    for (who, count) in [(bob.as_str(), bobs), (&ANNE.to_string(), NOTES), ("", 0)] {
        for table in ["note", "note_titles", "log"] {
            let answer = sees(&mut client, who, &format!("SELECT count(*) FROM {table}"));
            assert_eq!(answer, count.to_string(), "{table} for {who}");
        }
    }
    // The owner of a view is a superuser here, so that only the view's own condition counts.
    let bodies = "SELECT count(*) FROM note_bodies";
    assert_eq!(sees(&mut client, &bob, bodies), bobs.to_string());
    let (first, second, third) = (note(1), note(2), note(3));
    for (statement, rows) in [
        (
            format!("UPDATE note SET body = 'x' WHERE id = '{first}' RETURNING 1"),
            "1",
        ),
        (
            format!("UPDATE note SET body = 'x' WHERE id = '{second}' RETURNING 1"),
            "",
        ),
        (
            format!("UPDATE note SET body = 'x' WHERE id = '{third}' RETURNING 1"),
            "",
        ),
        (
            format!("DELETE FROM note WHERE id = '{first}' RETURNING 1"),
            "",
        ),
        (format!("SELECT 1 FROM note WHERE id = '{second}'"), "1"),
        (format!("SELECT 1 FROM note WHERE id = '{third}'"), ""),
    ] {
        assert_eq!(sees(&mut client, &bob, &statement), rows, "{statement}");
    }
    let add = format!(
        "INSERT INTO note VALUES ('{}', 'Bob', 'x')",
        note(NOTES + 1)
    );
    assert_eq!(refused(&mut client, &add), "42501");
    let moved = format!(
        "UPDATE note SET id = '{}' WHERE id = '{first}'",
        note(NOTES + 1)
    );
    assert_eq!(refused(&mut client, &moved), "42501");
    // What hides a row from a query does not hide it from a constraint.
    text(
        &mut client,
        &format!("CREATE POLICY note_any ON note FOR INSERT WITH CHECK (id = '{third}')"),
    );
    let collides = format!("INSERT INTO note VALUES ('{third}', 'Bob', 'x')");
    assert_eq!(refused(&mut client, &collides), "23505");
    assert_eq!(refused(&mut client, "SELECT FROM log_2026"), "42501");
    assert_eq!(
        refused(
            &mut client,
            "SET LOCAL deed.principal = 'Bob'; SELECT FROM note"
        ),
        "22P02"
    );
    // Behind the transaction nobody is spoken for, and its owner is subject to the policies too.
    text(
        &mut client,
        "BEGIN; ALTER TABLE note OWNER TO note_app; SET LOCAL ROLE note_app",
    );
    assert_eq!(one(&mut client, "SELECT count(*) FROM note"), "0");
    text(&mut client, "ROLLBACK");
    let document = note(NOTES + 1);
    let created = Clock::default().created(document, BOB, "New").envelope();
    text(
        &mut client,
        &format!(
            "BEGIN; SELECT deed.apply('{created}'); SET LOCAL ROLE note_app; SET LOCAL deed.principal = '{BOB}'"
        ),
    );
    text(&mut client, &add);
    text(&mut client, "COMMIT");
    assert_eq!(
        sees(&mut client, &bob, "SELECT count(*) FROM note"),
        (bobs + 1).to_string()
    );
}
