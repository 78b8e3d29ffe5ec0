//! `docs/DELETION.md`: the page's events are told, and its tables asked.
//!
//! A situation is a fenced block of events, a line each as `column: type subject member=value...`,
//! and the table behind it; names stand for ids. The page's first block has no table: every
//! situation begins with it, and with nothing else.

use std::collections::BTreeMap;
use std::fs;

use deed_tests::event::{Clock, Event, id};
use deed_tests::stage::{PLACE, shared_postgres};
use postgres::Transaction;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Members whose values are words of the product or free text, not names.
const LITERAL: [&str; 6] = [
    "kind",
    "level",
    "title",
    "name",
    "description",
    "expires_at",
];

/// What a list shows of its rows: whom or what they are about.
const ABOUT: [&str; 5] = [
    "document_id",
    "principal_id",
    "recipient_id",
    "member_id",
    "id",
];

#[derive(Debug, Default)]
struct Situation {
    heading: String,
    /// Column and event.
    told: Vec<(String, String)>,
    /// The table's rows, the first being its head.
    rows: Vec<Vec<String>>,
}

/// The beginning, and the situations.
fn page() -> (Situation, Vec<Situation>) {
    let text = fs::read_to_string(PLACE.root.join("docs/DELETION.md")).expect("docs/DELETION.md");
    let mut situations = Vec::new();
    let (mut heading, mut fenced) = (String::new(), false);
    for line in text.lines() {
        if let Some(words) = line.strip_prefix("## ") {
            heading = words.to_owned();
        } else if line == "```" {
            fenced = !fenced;
            if fenced {
                let heading = heading.clone();
                situations.push(Situation {
                    heading,
                    ..Situation::default()
                });
            }
        } else if fenced {
            let (column, event) = line.split_once(": ").expect(line);
            let told = &mut situations.last_mut().expect("a fence").told;
            told.push((column.to_owned(), event.to_owned()));
        } else if let Some(row) = line.strip_prefix('|').filter(|row| !row.starts_with("--")) {
            let cells = row.trim_end_matches('|').split('|');
            let cells = cells.map(|cell| cell.trim().trim_matches('`').to_owned());
            situations
                .last_mut()
                .expect("a fence")
                .rows
                .push(cells.collect());
        }
    }
    (situations.remove(0), situations)
}

/// Tells and asks, inside a transaction that is rolled back: nothing stays for the next situation.
struct Scene<'c> {
    transaction: Transaction<'c>,
    clock: Clock,
    names: BTreeMap<Uuid, String>,
}

impl Scene<'_> {
    fn id(&mut self, name: &str) -> Uuid {
        let id = id(&format!("deletion {name}"));
        self.names.insert(id, name.to_owned());
        id
    }

    /// An event, later than all before.
    fn event(&mut self, line: &str) -> Event {
        let mut words = line.split(' ');
        let kind = words.next().expect("a type");
        let subject = self.id(words.next().expect("a subject"));
        let mut data = Map::new();
        if kind.starts_with("document.") && kind != "document.created" && kind != "document.updated"
        {
            data.insert("by".to_owned(), Value::Null);
        }
        for (member, value) in words.map(|word| word.split_once('=').expect(line)) {
            let value = match value {
                "null" => Value::Null,
                "everyone" | "users" => json!(value),
                _ if LITERAL.contains(&member) => json!(value),
                name => json!(self.id(name)),
            };
            data.insert(member.to_owned(), value);
        }
        self.clock.event(kind, subject, Value::Object(data))
    }

    fn tell(&mut self, line: &str) -> String {
        let event = self.event(line).envelope().to_string();
        let apply = "SELECT deed.apply($1::text::jsonb)::text";
        self.transaction
            .query_one(apply, &[&event])
            .expect(line)
            .get(0)
    }

    /// The answer to a row's question, in the page's words.
    fn ask(&mut self, question: &str) -> String {
        let Some((function, arguments)) = question.split_once('(') else {
            return match question {
                "orphaned_documents" => self.rows("deed.orphaned_documents"),
                event => self.tell(event),
            };
        };
        let arguments: Vec<String> = arguments
            .trim_end_matches(')')
            .split(", ")
            .map(|argument| match argument.starts_with('\'') {
                true => argument.to_owned(),
                false => format!("'{}'", self.id(argument)),
            })
            .collect();
        self.rows(&format!("deed.{function}({})", arguments.join(", ")))
    }

    fn rows(&mut self, from: &str) -> String {
        let rows = self
            .transaction
            .query(&format!("SELECT to_jsonb(r)::text FROM {from} AS r"), &[]);
        let mut shown: Vec<String> = rows
            .expect(from)
            .iter()
            .map(|row| row.get::<_, Option<String>>(0).unwrap_or("null".to_owned()))
            .map(|row| self.shown(&serde_json::from_str(&row).expect("JSON")))
            .collect();
        shown.sort();
        match shown.is_empty() {
            true => "none".to_owned(),
            false => shown.join(", "),
        }
    }

    /// A row as the page has it: a plain value, or a name, its level, and that it is deleted.
    fn shown(&self, row: &Value) -> String {
        let Value::Object(columns) = row else {
            return row.as_str().map_or_else(|| row.to_string(), str::to_owned);
        };
        let about = ABOUT
            .iter()
            .find_map(|column| columns.get(*column))
            .expect("an id");
        let about: Uuid = about
            .as_str()
            .and_then(|id| id.parse().ok())
            .expect("a uuid");
        let name = self.names.get(&about).map_or("unnamed", String::as_str);
        match columns.get("level").and_then(Value::as_str) {
            Some(level) => format!("{name} {level}"),
            // Of `document`: in a list of the deleted it goes without saying.
            None if columns.contains_key("content") && !columns["deleted_at"].is_null() => {
                format!("{name}, deleted")
            }
            None => name.to_owned(),
        }
    }
}

#[test]
fn every_table_of_the_page_is_true() {
    let postgres = shared_postgres();
    postgres.create_database("deletion").expect("database");
    let mut client = postgres.admin("deletion").expect("connection");
    let (beginning, situations) = page();
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for situation in &situations {
        let heading = &situation.heading;
        let [head, rows @ ..] = &situation.rows[..] else {
            panic!("{heading}: no table");
        };
        let told = beginning.told.iter().chain(&situation.told);
        for (column, event) in told.clone() {
            assert!(
                head[1..].contains(column),
                "{heading}: no column for {column}: {event}"
            );
        }
        let mut scene = Scene {
            transaction: client.transaction().expect("transaction"),
            clock: Clock::default(),
            names: BTreeMap::new(),
        };
        for (n, column) in head.iter().enumerate().skip(1) {
            for (_, event) in told.clone().filter(|(of, _)| of == column) {
                scene.tell(event);
            }
            for row in rows {
                assert_eq!(row.len(), head.len(), "{heading}: {row:?}");
                let answer = scene.ask(&row[0]);
                asked += 1;
                if answer != row[n] {
                    let expected = &row[n];
                    let question = &row[0];
                    wrong.push(format!(
                        "{heading}, {column}: {question}: {answer}, not {expected}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} situations, {asked} answers", situations.len());
    assert!(
        situations.len() >= 8 && asked > 200,
        "the page has lost its tables"
    );
}
