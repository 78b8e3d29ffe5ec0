//! What was told, folded: what somebody who has read all of it knows.

use std::collections::{BTreeMap, BTreeSet};

use deed_model::event::{FUTURE, PAST, small};
use deed_model::model::{Level, Model};
use postgres::Client;
use serde_json::Value;
use uuid::Uuid;

/// One event on its way out, or received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// CloudEvents `id`.
    pub id: Uuid,
    /// CloudEvents `type`.
    pub kind: String,
    /// CloudEvents `subject`.
    pub subject: Uuid,
    /// CloudEvents `data`.
    pub data: Value,
}

/// The outbox, in order.
pub fn outbox(client: &mut Client) -> Vec<Told> {
    read(
        client,
        "SELECT id, type, aggregateid, payload::text FROM deed.outbox ORDER BY seq",
    )
}

/// What a query gives as id, type, subject and data.
pub fn read(client: &mut Client, query: &str) -> Vec<Told> {
    let told = |row: &postgres::Row| Told {
        id: row.get(0),
        kind: row.get(1),
        subject: row.get(2),
        data: serde_json::from_str(row.get(3)).expect("JSON"),
    };
    let rows = client.query(query, &[]).expect(query);
    rows.iter().map(told).collect()
}

/// Has everything settled that is marked, as that relay.
pub fn settle(client: &mut Client, relay: Uuid) {
    while settle_once(client, relay) {}
}

/// One step of that; whether there is more.
pub fn settle_once(client: &mut Client, relay: Uuid) -> bool {
    let row = client.query_one("SELECT deed.settle($1)", &[&relay]);
    let more: Option<bool> = row.expect("settled").get(0);
    more.expect("no other relay is at work")
}

/// Watches the level for an hour; gives it as a word.
pub fn watch(
    client: &mut Client,
    principal: Uuid,
    document: Uuid,
    watcher: &str,
) -> Option<String> {
    let row = client.query_one(
        "SELECT deed.watch($1, $2, now() + interval '1 hour', $3)::text",
        &[&principal, &document, &watcher],
    );
    row.expect("watched").get(0)
}

/// Document and principal or recipient.
pub type Pair = (Uuid, Uuid);

/// What is known behind the last event.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Folded {
    /// Who is granted what, and until when.
    pub permissions: BTreeMap<Pair, (String, Option<String>)>,
    /// Who is in which group: group and member.
    pub members: BTreeSet<Pair>,
    /// Documents in the trash.
    pub deleted: BTreeSet<Uuid>,
    /// Documents that are gone for good.
    pub purged: BTreeSet<Uuid>,
    /// Principals that are removed.
    pub removed: BTreeSet<Uuid>,
    /// Links and who took them over.
    pub promoted: BTreeMap<Uuid, Uuid>,
}

/// Reads events one after the other. What does not follow from what was told before, and what tells of no change, is
/// an error.
#[derive(Debug, Default)]
pub struct Reader {
    /// What is known.
    pub known: Folded,
    /// The levels of watched pairs that were told, the one behind the other; the first is the old level of the first.
    pub levels: BTreeMap<Pair, Vec<Option<String>>>,
    /// How often each document was told to be orphaned.
    pub orphaned: BTreeMap<Uuid, usize>,
}

impl Reader {
    /// Takes the next event.
    pub fn read(&mut self, told: &Told) -> Result<(), String> {
        let wrong = |why: &str| Err(format!("{why}: {told:?}"));
        let subject = told.subject;
        let level = |name: &str| told.data[name].as_str().map(str::to_owned);
        let (old, new) = (level("old_level"), level("new_level"));
        let known = &mut self.known;
        let changed = match told.kind.as_str() {
            "deed.document.deleted" => known.deleted.insert(subject),
            "deed.document.restored" => known.deleted.remove(&subject),
            "deed.document.purged" => {
                let of_it = (subject, Uuid::nil())..=(subject, Uuid::max());
                let of_it: Vec<Pair> = known.permissions.range(of_it).map(|of| *of.0).collect();
                for pair in of_it {
                    known.permissions.remove(&pair);
                }
                known.deleted.remove(&subject);
                known.purged.insert(subject)
            }
            "deed.document.orphaned" => {
                *self.orphaned.entry(subject).or_default() += 1;
                true
            }
            "deed.permission.updated" => {
                let pair = (subject, recipient(&told.data["recipient"]));
                let until = told.data["expires_at"].as_str().map(str::to_owned);
                let now = new.map(|level| (level, until));
                let held = match now.clone() {
                    Some(now) => known.permissions.insert(pair, now),
                    None => known.permissions.remove(&pair),
                };
                if held.as_ref().map(|(level, _)| level) != old.as_ref() {
                    return wrong(&format!("it was {held:?}"));
                }
                held != now
            }
            "deed.access.changed" => {
                let levels = self
                    .levels
                    .entry((subject, id(&told.data["principal"])))
                    .or_insert_with(|| vec![old.clone()]);
                if levels.last() != Some(&old) {
                    return wrong(&format!("the levels were {levels:?}"));
                }
                levels.push(new.clone());
                new != old
            }
            "deed.group.updated" => {
                let pair = (subject, id(&told.data["member"]));
                match told.data["change"].as_str() {
                    Some("added") => known.members.insert(pair),
                    _ => known.members.remove(&pair),
                }
            }
            "deed.principal.removed" => known.removed.insert(subject),
            "deed.principal.restored" => known.removed.remove(&subject),
            "deed.principal.promoted" => {
                let user = id(&told.data["user"]);
                known.promoted.insert(subject, user) != Some(user)
            }
            _ => return wrong("no such type"),
        };
        match changed {
            true => Ok(()),
            false => wrong("nothing changed"),
        }
    }
}

impl Folded {
    /// What the model knows.
    pub fn expected(model: &Model) -> Self {
        let mut folded = Folded::default();
        for (register, text) in model.registers() {
            let words: Vec<&str> = register.split(' ').collect();
            let ids: Vec<Uuid> = words.iter().filter_map(|word| word.parse().ok()).collect();
            let value = text.find(['{', '"']).map_or("null", |at| &text[at..]);
            let value: Value = serde_json::from_str(value).unwrap_or(Value::Null);
            match (words[0], words.last().copied(), ids.as_slice()) {
                ("document", Some("purged"), [document]) => {
                    folded.purged.insert(*document);
                }
                ("document", Some("lifecycle"), [document]) if value["gone"] == true => {
                    folded.deleted.insert(*document);
                }
                ("principal", Some("lifecycle"), [principal]) if value["gone"] == true => {
                    folded.removed.insert(*principal);
                }
                ("principal", Some("promotion"), [link]) => {
                    folded.promoted.insert(*link, id(&value));
                }
                ("membership", _, [group, member]) if value["member"] == true => {
                    folded.members.insert((*group, *member));
                }
                ("permission", _, [document, recipient]) => {
                    let until = match value["expires_at"].as_i64() {
                        Some(micros) if micros == micros_of_past() => continue,
                        Some(_) => Some(FUTURE.to_owned()),
                        None => None,
                    };
                    let level = value["level"].as_str().map(str::to_owned);
                    let pair = (*document, *recipient);
                    let granted = level.map(|level| (pair, (level, until)));
                    folded.permissions.extend(granted);
                }
                _ => {}
            }
        }
        folded
    }
}

/// The word of a level.
pub fn word(level: Option<Level>) -> Option<String> {
    level.map(|level| level.word().to_owned())
}

/// When [`PAST`] is, since 1970.
fn micros_of_past() -> i64 {
    assert_eq!(PAST, "2020-01-01T00:00:00Z");
    1_577_836_800_000_000
}

fn id(value: &Value) -> Uuid {
    let text = value.as_str().expect("a string");
    text.parse().expect("a uuid")
}

/// A recipient, which may be one of the built-in words.
fn recipient(value: &Value) -> Uuid {
    match value.as_str() {
        Some("everyone") => small(1),
        Some("users") => small(2),
        _ => id(value),
    }
}
