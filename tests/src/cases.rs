//! Sharing cases: grants, and the checks and lists that must follow from them.
//!
//! One case a line of JSON: `id`; `members` as `[group, member]`; `grants` as `[document, level,
//! recipient]`; `checks` as `[principal, document, level, expected]`; `list_docs` as `[principal,
//! level, [document]]`; `list_principals` as `[document, level, [principal]]`. Principals are named
//! `user:NAME`, `group:NAME` or `anon:NAME`, where `anon:public` is everybody.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use postgres::Client;
use serde::Deserialize;
use uuid::Uuid;

use crate::event::{Clock, Event, id};

/// Stands for every principal.
const PUBLIC: &str = "anon:public";

/// One case.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// Its name; the same name in another case is another document or principal.
    pub id: String,
    members: Vec<(String, String)>,
    grants: Vec<(String, String, String)>,
    checks: Vec<(String, String, String, bool)>,
    list_docs: Vec<(String, String, Vec<String>)>,
    list_principals: Vec<(String, String, Vec<String>)>,
}

/// What came of the assertions of some cases.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many held.
    pub held: usize,
    /// How many were left out: they need what this version does not have.
    pub left_out: usize,
    /// The others.
    pub failures: Vec<String>,
}

impl Tally {
    fn count(&mut self, held: bool, failure: impl FnOnce() -> String) {
        match held {
            true => self.held += 1,
            false => self.failures.push(failure()),
        }
    }
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
    /// What makes the case. Each document is created by a principal that the case does not know,
    /// whose owner grant is then revoked; nobody is registered but share-link identities.
    pub fn events(&self, clock: &mut Clock) -> Vec<Event> {
        let creator = self.uuid("the creator");
        let mut events = Vec::new();
        for document in self.documents() {
            let uuid = self.uuid(document);
            events.push(clock.created(uuid, creator, document));
            events.push(clock.revoked(uuid, creator, creator));
        }
        for (document, level, recipient) in &self.grants {
            if is_direct(recipient) {
                let (document, recipient) = (self.uuid(document), self.uuid(recipient));
                events.push(clock.granted(document, recipient, level, creator));
            }
        }
        for link in self.recipients().filter(|name| name.starts_with("anon:")) {
            events.push(clock.registered(self.uuid(link), "anonymous", link));
        }
        events
    }

    /// Asks everything that this version can answer.
    pub fn verify(&self, client: &mut Client, tally: &mut Tally) {
        for (principal, document, level, expected) in &self.checks {
            if !self.decides(principal, document) {
                tally.left_out += 1;
                continue;
            }
            let row = client
                .query_one(
                    "SELECT deed.has_permission($1, $2, $3::text::deed.permission_level),
                       coalesce(deed.effective_level($1, $2) >= $3::text::deed.permission_level, false)",
                    &[&self.uuid(principal), &self.uuid(document), level],
                )
                .expect("check");
            for (n, function) in ["has_permission", "effective_level"]
                .into_iter()
                .enumerate()
            {
                let found: bool = row.get(n);
                tally.count(found == *expected, || {
                    format!(
                        "{}: {function} of {principal} on {document} at {level}: {found}",
                        self.id
                    )
                });
            }
        }
        for (principal, level, expected) in &self.list_docs {
            if !self
                .documents()
                .all(|document| self.decides(principal, document))
            {
                tally.left_out += 1;
                continue;
            }
            let expected: BTreeSet<Uuid> = expected.iter().map(|name| self.uuid(name)).collect();
            for sort in ["id", "last_modified"] {
                for page_size in [1, 50] {
                    let found = walk(client, self.uuid(principal), level, sort, page_size);
                    let distinct: BTreeSet<Uuid> = found.iter().copied().collect();
                    tally.count(distinct == expected && found.len() == expected.len(), || {
                        format!(
                            "{}: list of {principal} at {level} by {sort}, pages of {page_size}: {found:?}, expected {expected:?}",
                            self.id
                        )
                    });
                }
            }
        }
        tally.left_out += self.list_principals.len();
    }

    fn uuid(&self, name: &str) -> Uuid {
        id(&format!("{}/{name}", self.id))
    }

    fn documents(&self) -> impl Iterator<Item = &str> {
        let granted = self.grants.iter().map(|(document, ..)| document);
        let checked = self.checks.iter().map(|(_, document, ..)| document);
        let listed = self.list_docs.iter().flat_map(|(.., documents)| documents);
        let asked = self.list_principals.iter().map(|(document, ..)| document);
        let all: BTreeSet<&str> = granted
            .chain(checked)
            .chain(listed)
            .chain(asked)
            .map(String::as_str)
            .collect();
        all.into_iter()
    }

    fn recipients(&self) -> impl Iterator<Item = &str> {
        let all: BTreeSet<&str> = self.grants.iter().map(|(.., name)| name.as_str()).collect();
        all.into_iter().filter(|name| is_direct(name))
    }

    /// Whether direct grants alone decide what the principal holds on the document: it is in no
    /// group, or none holds the document; and the document is not everybody's.
    fn decides(&self, principal: &str, document: &str) -> bool {
        let grouped = self.members.iter().any(|(_, member)| member == principal);
        let mut others = self
            .grants
            .iter()
            .filter(|(on, _, to)| on == document && !is_direct(to));
        is_direct(principal) && others.all(|(_, _, to)| to != PUBLIC && !grouped)
    }
}

fn is_direct(principal: &str) -> bool {
    principal != PUBLIC && !principal.starts_with("group:")
}

/// The documents of a list, walked by cursor to its end.
fn walk(
    client: &mut Client,
    principal: Uuid,
    level: &str,
    sort: &str,
    page_size: i32,
) -> Vec<Uuid> {
    let mut documents = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = client
            .query(
                "SELECT document_id, cursor FROM deed.list_documents($1,
                   $2::text::deed.permission_level, $3::text::deed.document_sort, $4, $5)",
                &[&principal, &level, &sort, &after, &page_size],
            )
            .expect("list");
        documents.extend(page.iter().map(|row| row.get::<_, Uuid>(0)));
        match page.last() {
            Some(last) if page.len() == page_size as usize => after = last.get(1),
            _ => return documents,
        }
    }
}
