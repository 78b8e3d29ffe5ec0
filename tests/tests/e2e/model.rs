//! What the events mean, told a second time and as simply as can be, and compared with every check
//! and list.

use std::collections::BTreeMap;

use deed_tests::event::Event;
use deed_tests::load::{self, LEVELS, PAST};
use deed_tests::stage::Line;
use postgres::Client;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::Value;
use uuid::Uuid;

const EVENTS: usize = 4_000;
const DOCUMENTS: usize = 200;

/// A document after all events. Times are RFC 3339 of one form, so they sort as text.
#[derive(Debug, Default)]
struct Document {
    created: bool,
    deleted: bool,
    title: Option<String>,
    last_modified: String,
    /// By recipient; no level after a revoke, or once it has expired.
    levels: BTreeMap<Uuid, Option<&'static str>>,
}

fn uuid(value: &Value) -> Uuid {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("a uuid")
}

/// The events in the order of their times: the last word on each thing counts.
fn model(events: &[Event]) -> BTreeMap<Uuid, Document> {
    let mut documents: BTreeMap<Uuid, Document> = BTreeMap::new();
    for event in events {
        let data = &event.data;
        if event.kind == "principal.registered" {
            continue;
        }
        let document = documents.entry(event.subject).or_default();
        if let Some(title) = data.get("title") {
            document.title = title.as_str().map(str::to_owned);
        }
        let changes = ["title", "metadata", "content"]
            .iter()
            .any(|part| data.get(part).is_some());
        if changes {
            document.last_modified = event.time.clone();
        }
        match event.kind.as_str() {
            "document.created" => {
                document.created = true;
                document
                    .levels
                    .insert(uuid(&data["created_by"]), Some("owner"));
            }
            "document.deleted" => document.deleted = true,
            "permission.granted" => {
                let level = LEVELS.into_iter().find(|level| data["level"] == *level);
                let lives = data["expires_at"] != PAST;
                document
                    .levels
                    .insert(uuid(&data["recipient"]), level.filter(|_| lives));
            }
            "permission.revoked" => {
                document.levels.insert(uuid(&data["recipient"]), None);
            }
            _ => {}
        }
    }
    documents
}

#[test]
fn every_check_and_list_says_what_the_events_mean() {
    let seed = load::seed();
    let events = load::events(seed, EVENTS, DOCUMENTS);
    let documents = model(&events);
    let line = Line::shared("model", 3);
    let _consumer = line.consumer("a");
    let mut shuffled: Vec<_> = events.iter().map(Event::binary).collect();
    shuffled.shuffle(&mut StdRng::seed_from_u64(seed));
    line.send(&shuffled);
    line.wait_until_applied();

    let mut client = line.admin();
    let mut held = 0;
    for n in 0..load::people(DOCUMENTS) {
        let person = load::person(n);
        let levels = levels(&mut client, person);
        let mut visible = Vec::new();
        for (id, document) in &documents {
            let live = document.created && !document.deleted;
            let granted = document.levels.get(&person).copied().flatten();
            let expected = granted.filter(|_| live);
            assert_eq!(
                levels[id].as_deref(),
                expected,
                "person {n} on {document:?}"
            );
            if let Some(level) = expected {
                visible.push((
                    document.last_modified.clone(),
                    *id,
                    level,
                    document.title.clone(),
                ));
                held += 1;
            }
        }
        visible.sort();
        visible.reverse();
        let expected: Vec<_> = visible
            .into_iter()
            .map(|(_, id, level, title)| (id, level.to_owned(), title))
            .collect();
        assert_eq!(
            list(&mut client, person),
            expected,
            "the list of person {n}"
        );
    }
    assert!(held > DOCUMENTS, "{held} levels: the load says too little");
}

/// The person's level on every document of the load.
fn levels(client: &mut Client, person: Uuid) -> BTreeMap<Uuid, Option<String>> {
    let all: Vec<Uuid> = (0..DOCUMENTS).map(load::document).collect();
    let rows = client
        .query(
            "SELECT d, deed.effective_level($1, d)::text, array(
               SELECT l.level::text FROM unnest(enum_range(NULL::deed.permission_level)) AS l (level)
               WHERE deed.has_permission($1, d, l.level) ORDER BY l.level)
             FROM unnest($2::uuid[]) AS d",
            &[&person, &all],
        )
        .expect("checks");
    let read = |row: &postgres::Row| {
        let (document, level): (Uuid, Option<String>) = (row.get(0), row.get(1));
        let held: Vec<String> = row.get(2);
        let up_to = LEVELS.iter().position(|of| Some(*of) == level.as_deref());
        assert_eq!(
            held,
            LEVELS[..up_to.map_or(0, |n| n + 1)],
            "both checks agree"
        );
        (document, level)
    };
    rows.iter().map(read).collect()
}

/// What the person can see, newest first, walked by pages of 7.
fn list(client: &mut Client, person: Uuid) -> Vec<(Uuid, String, Option<String>)> {
    let (mut all, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = client
            .query(
                "SELECT document_id, level::text, title, cursor
                 FROM deed.list_documents($1, after => $2, page_size => 7)",
                &[&person, &after],
            )
            .expect("list");
        all.extend(page.iter().map(|row| (row.get(0), row.get(1), row.get(2))));
        match page.last() {
            Some(last) if page.len() == 7 => after = last.get(3),
            _ => return all,
        }
    }
}
