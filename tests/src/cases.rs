//! Sharing cases: what happened, and the checks and lists that must follow from it.
//!
//! One case a line of JSON. The form is that of the conformance files: `id`; `members` as
//! `[group, member]`; `grants` as `[document, level, recipient]`; `checks` as `[principal,
//! document, level, expected]`; `list_docs` as `[principal, level, [document]]`; `list_principals`
//! as `[document, level, [principal]]`. Principals are named `user:NAME`, `group:NAME` or
//! `anon:NAME`; `anon:public` and `everyone` are the built-in recipient of all, `users` that of
//! all registered users.
//!
//! The project's own cases may add `events` as `[type, subject, data]`, which follow upon members
//! and grants one after the other, with names in the place of ids; and what else must come out:
//! `list_members` as `[group, [member]]`, `list_deleted` as `[principal, [document]]`, `orphaned`
//! as `[document]`; `explain` as `[principal, document, [[reason, principal...]]]`, a row a path, in any
//! order: who is on the way, the recipient last.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::event::{Clock, Event, id};

mod verify;

pub use verify::{Asked, Tally};

/// `deed.everyone()`
const EVERYONE: Uuid = Uuid::from_u128(1);
/// `deed.users()`
const USERS: Uuid = Uuid::from_u128(2);

/// The members of `data` that name a principal.
const NAMING: [&str; 8] = [
    "by",
    "created_by",
    "granted_by",
    "member",
    "recipient",
    "revoked_by",
    "updated_by",
    "user",
];

/// Whoever creates documents, and acts where a case does not say who.
const SOMEBODY: &str = "the creator";

/// One case.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// Its name; the same name in another case is another document or principal.
    pub id: String,
    #[serde(default)]
    members: Vec<(String, String)>,
    #[serde(default)]
    grants: Vec<(String, String, String)>,
    #[serde(default)]
    events: Vec<(String, String, Map<String, Value>)>,
    #[serde(default)]
    checks: Vec<(String, String, String, bool)>,
    #[serde(default)]
    list_docs: Vec<(String, String, Vec<String>)>,
    #[serde(default)]
    list_principals: Vec<(String, String, Vec<String>)>,
    #[serde(default)]
    list_members: Vec<(String, Vec<String>)>,
    #[serde(default)]
    list_deleted: Vec<(String, Vec<String>)>,
    orphaned: Option<Vec<String>>,
    #[serde(default)]
    explain: Vec<(String, String, Vec<Vec<String>>)>,
}

/// Reads the cases of a file.
pub fn read(path: &Path) -> Result<Vec<Case>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let parse = |(n, line): (usize, &str)| {
        let place = || format!("{}, line {}", path.display(), n + 1);
        serde_json::from_str(line).map_err(|error| format!("{}: {error}", place()))
    };
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines.map(parse).collect()
}

impl Case {
    /// What makes the case, in the order in which it happens. A document that no event of the case
    /// is about is created by a principal that the case does not know, whose owner grant is then
    /// revoked. Nobody is registered but by the case's own events.
    pub fn events(&self, clock: &mut Clock) -> Vec<Event> {
        let creator = self.principal(SOMEBODY);
        let mut events = Vec::new();
        let own: BTreeSet<&str> = self.documents_of_events("document.").collect();
        for name in self.documents().filter(|name| !own.contains(name)) {
            let document = self.document(name);
            events.push(clock.created(document, creator, name));
            events.push(clock.revoked(document, creator, creator));
        }
        for (group, member) in &self.members {
            events.push(clock.member_added(self.principal(group), self.principal(member)));
        }
        for (document, level, recipient) in &self.grants {
            let data = json!({
                "recipient": self.recipient(recipient), "level": level, "granted_by": creator,
            });
            events.push(clock.event("permission.granted", self.document(document), data));
        }
        for (kind, subject, data) in &self.events {
            events.push(self.event(clock, kind, subject, data.clone()));
        }
        events
    }

    /// An event of the case, with ids in the place of names and somebody where nobody is named.
    fn event(
        &self,
        clock: &mut Clock,
        kind: &str,
        subject: &str,
        mut data: Map<String, Value>,
    ) -> Event {
        let actor = match kind {
            "document.updated" => "updated_by",
            "permission.granted" => "granted_by",
            "permission.revoked" => "revoked_by",
            _ => "by",
        };
        if kind != "document.created" && !kind.starts_with("principal.") {
            data.entry(actor).or_insert_with(|| json!(SOMEBODY));
        }
        for (member, value) in &mut data {
            if let (true, Value::String(name)) = (NAMING.contains(&member.as_str()), &*value) {
                *value = match member.as_str() {
                    "recipient" => self.recipient(name),
                    _ => json!(self.principal(name)),
                };
            }
        }
        let subject = match is_about_documents(kind) {
            true => self.document(subject),
            false => self.principal(subject),
        };
        clock.event(kind, subject, Value::Object(data))
    }

    fn document(&self, name: &str) -> Uuid {
        id(&format!("{}/document {name}", self.id))
    }

    fn principal(&self, name: &str) -> Uuid {
        match name {
            "anon:public" | "everyone" => EVERYONE,
            "users" => USERS,
            name => id(&format!("{}/{name}", self.id)),
        }
    }

    /// As `recipient` has it: the built-in ones by their words.
    fn recipient(&self, name: &str) -> Value {
        match self.principal(name) {
            EVERYONE => json!("everyone"),
            USERS => json!("users"),
            principal => json!(principal),
        }
    }

    /// The subjects of the case's events whose type begins so.
    fn documents_of_events(&self, kind: &str) -> impl Iterator<Item = &str> {
        let about = move |(of, ..): &&(String, String, _)| of.starts_with(kind);
        self.events
            .iter()
            .filter(about)
            .map(|(_, subject, _)| subject.as_str())
    }

    fn documents(&self) -> impl Iterator<Item = &str> {
        let granted = self.grants.iter().map(|(document, ..)| document);
        let checked = self.checks.iter().map(|(_, document, ..)| document);
        let listed = self.list_docs.iter().flat_map(|(.., documents)| documents);
        let asked = self.list_principals.iter().map(|(document, ..)| document);
        let orphaned = self.orphaned.iter().flatten();
        let all: BTreeSet<&str> = granted
            .chain(checked)
            .chain(listed)
            .chain(asked)
            .chain(orphaned)
            .map(String::as_str)
            .chain(self.documents_of_events("document."))
            .chain(self.documents_of_events("permission."))
            .collect();
        all.into_iter()
    }

    /// Whether it is registered as a user, and neither removed nor something else by now.
    fn is_active_user(&self, name: &str) -> bool {
        let mut of = self.events.iter().filter(|(_, subject, _)| subject == name);
        of.clone()
            .any(|(kind, _, data)| kind == "principal.registered" && data["kind"] == "user")
            && !self.is_removed(name)
            && of.all(|(kind, _, data)| kind != "principal.registered" || data["kind"] == "user")
    }

    fn is_removed(&self, name: &str) -> bool {
        let lifecycle = |(kind, subject, _): &&(String, String, _)| {
            subject == name && (kind == "principal.removed" || kind == "principal.restored")
        };
        let last = self.events.iter().rfind(lifecycle);
        last.is_some_and(|(kind, ..)| kind == "principal.removed")
    }
}

fn is_about_documents(kind: &str) -> bool {
    kind.starts_with("document.") || kind.starts_with("permission.")
}
