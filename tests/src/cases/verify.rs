//! What the product answers to a case's assertions, by every path that answers them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use postgres::Client;
use postgres::types::ToSql;
use uuid::Uuid;

use super::{Case, EVERYONE, USERS};

const PAGE_SIZES: [i32; 2] = [1, 50];

/// What came of the assertions of some cases.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many held, by the path that answered.
    pub held: BTreeMap<&'static str, usize>,
    /// The others.
    pub failures: Vec<String>,
}

impl Tally {
    fn count(&mut self, path: &'static str, held: bool, failure: impl FnOnce() -> String) {
        match held {
            true => *self.held.entry(path).or_default() += 1,
            false => self.failures.push(failure()),
        }
    }
}

/// A connection, and the lists that were walked on it: several assertions look into one.
pub struct Asked<'a> {
    client: &'a mut Client,
    documents: HashMap<(Uuid, String, &'static str, i32), Vec<Uuid>>,
    principals: HashMap<(Uuid, String, i32), Vec<Uuid>>,
}

impl<'a> Asked<'a> {
    /// Nothing yet.
    pub fn new(client: &'a mut Client) -> Self {
        Self {
            client,
            documents: HashMap::new(),
            principals: HashMap::new(),
        }
    }

    fn documents(&mut self, of: Uuid, level: &str, sort: &'static str, page: i32) -> &[Uuid] {
        let client = &mut self.client;
        self.documents
            .entry((of, level.to_owned(), sort, page))
            .or_insert_with(|| {
                let query = "SELECT document_id, cursor FROM deed.list_documents($1,
                   $2::text::deed.permission_level, $3::text::deed.document_sort, $4, $5)";
                walk(client, query, &[&of, &level, &sort], page)
            })
    }

    fn principals(&mut self, of: Uuid, level: &str, page: i32) -> &[Uuid] {
        let client = &mut self.client;
        self.principals
            .entry((of, level.to_owned(), page))
            .or_insert_with(|| {
                let query = "SELECT principal_id, cursor FROM deed.list_principals($1,
                   $2::text::deed.permission_level, $3, $4)";
                walk(client, query, &[&of, &level], page)
            })
    }
}

/// The first column of a list, walked by cursor to its end.
fn walk(client: &mut Client, query: &str, of: &[&(dyn ToSql + Sync)], page_size: i32) -> Vec<Uuid> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page: &[&(dyn ToSql + Sync)] = &[&after, &page_size];
        let page = client.query(query, &[of, page].concat()).expect(query);
        all.extend(page.iter().map(|row| row.get::<_, Uuid>(0)));
        match page.last() {
            Some(last) if page.len() == page_size as usize => after = last.get(1),
            _ => return all,
        }
    }
}

impl Case {
    /// How many assertions it makes.
    pub fn assertions(&self) -> usize {
        self.checks.len()
            + self.list_docs.len()
            + self.list_principals.len()
            + self.list_members.len()
            + self.list_deleted.len()
            + self.orphaned.iter().len()
            + self.explain.len()
    }

    /// Asks all that the case asserts, each by every path.
    pub fn verify(&self, asked: &mut Asked<'_>, tally: &mut Tally) {
        for (principal, document, level, expected) in &self.checks {
            self.check(asked, tally, (principal, document, level), *expected);
        }
        for (principal, level, expected) in &self.list_docs {
            let expected = expected.iter().map(|name| self.document(name)).collect();
            for (what, found) in self.list_documents(asked, principal, level) {
                self.compare(tally, "list_documents", &what, &found, &expected);
            }
        }
        for (document, level, expected) in &self.list_principals {
            let expected = expected.iter().map(|name| self.principal(name)).collect();
            for page in PAGE_SIZES {
                let found = asked.principals(self.document(document), level, page);
                let what = format!("on {document} at {level}, pages of {page}");
                self.compare(tally, "list_principals", &what, found, &expected);
            }
        }
        for (group, expected) in &self.list_members {
            let expected = expected.iter().map(|name| self.principal(name)).collect();
            let query = "SELECT member_id, cursor FROM deed.list_members($1, $2, $3)";
            for page in PAGE_SIZES {
                let found = walk(asked.client, query, &[&self.principal(group)], page);
                let what = format!("of {group}, pages of {page}");
                self.compare(tally, "list_members", &what, &found, &expected);
            }
        }
        for (principal, expected) in &self.list_deleted {
            let expected = expected.iter().map(|name| self.document(name)).collect();
            let query = "SELECT document_id, cursor FROM deed.list_deleted($1, $2, $3)";
            for page in PAGE_SIZES {
                let found = walk(asked.client, query, &[&self.principal(principal)], page);
                let what = format!("of {principal}, pages of {page}");
                self.compare(tally, "list_deleted", &what, &found, &expected);
            }
        }
        if let Some(expected) = &self.orphaned {
            let expected = expected.iter().map(|name| self.document(name)).collect();
            let query =
                "SELECT document_id FROM deed.orphaned_documents WHERE document_id = ANY ($1)";
            let own: Vec<Uuid> = self.documents().map(|name| self.document(name)).collect();
            let rows = asked.client.query(query, &[&own]).expect(query);
            let found: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
            self.compare(tally, "orphaned_documents", "", &found, &expected);
        }
        for (principal, document, paths) in &self.explain {
            self.explained(asked, tally, (principal, document), paths);
        }
    }

    fn explained(
        &self,
        asked: &mut Asked<'_>,
        tally: &mut Tally,
        (principal, document): (&str, &str),
        paths: &[Vec<String>],
    ) {
        let query = "SELECT reason, via || recipient_id FROM deed.explain_permission($1, $2)";
        let of: [Uuid; 2] = [self.principal(principal), self.document(document)];
        let rows = asked.client.query(query, &[&of[0], &of[1]]).expect(query);
        let mut found: Vec<(String, Vec<Uuid>)> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let path = |path: &Vec<String>| {
            let (reason, names) = path.split_first().expect("a reason");
            let ids = names.iter().map(|name| self.principal(name)).collect();
            (reason.clone(), ids)
        };
        let mut expected: Vec<(String, Vec<Uuid>)> = paths.iter().map(path).collect();
        found.sort();
        expected.sort();
        tally.count("explain_permission", found == expected, || {
            format!(
                "{}: why {principal} on {document}: {found:?}, expected {expected:?}",
                self.id
            )
        });
    }

    /// A check, by both functions and by what the lists say of the same.
    fn check(
        &self,
        asked: &mut Asked<'_>,
        tally: &mut Tally,
        (principal, document, level): (&str, &str, &str),
        expected: bool,
    ) {
        let (who, what) = (self.principal(principal), self.document(document));
        let mut count = |path, how: &str, found: bool| {
            tally.count(path, found == expected, || {
                format!(
                    "{}: {path} of {principal} on {document} at {level}{how}: {found}",
                    self.id
                )
            });
        };
        let row = asked.client.query_one(
            "SELECT deed.has_permission($1, $2, $3::text::deed.permission_level),
               coalesce(deed.effective_level($1, $2) >= $3::text::deed.permission_level, false)",
            &[&who, &what, &level],
        );
        let row = row.expect("check");
        count("has_permission", "", row.get(0));
        count("effective_level", "", row.get(1));
        for (how, list) in self.list_documents(asked, principal, level) {
            count("list_documents", &format!(" ({how})"), list.contains(&what));
        }
        // A group holds levels, and is never listed for them.
        if !principal.starts_with("group:") {
            for page in PAGE_SIZES {
                let list = asked.principals(what, level, page);
                // Nothing of theirs is a removed principal's.
                let by_built_in = !self.is_removed(principal)
                    && (list.contains(&EVERYONE)
                        || (self.is_active_user(principal) && list.contains(&USERS)));
                let found = list.contains(&who) || by_built_in;
                count("list_principals", &format!(" (pages of {page})"), found);
            }
        }
    }

    /// The case's documents in every list of the principal: by both sorts and page sizes. Other
    /// cases share documents with everybody.
    fn list_documents(
        &self,
        asked: &mut Asked<'_>,
        principal: &str,
        level: &str,
    ) -> Vec<(String, Vec<Uuid>)> {
        let own: BTreeSet<Uuid> = self.documents().map(|name| self.document(name)).collect();
        let mut lists = Vec::new();
        for sort in ["id", "last_modified"] {
            for page in PAGE_SIZES {
                let list = asked.documents(self.principal(principal), level, sort, page);
                let found = list.iter().copied().filter(|id| own.contains(id)).collect();
                let what = format!("of {principal} at {level} by {sort}, pages of {page}");
                lists.push((what, found));
            }
        }
        lists
    }

    fn compare(
        &self,
        tally: &mut Tally,
        path: &'static str,
        what: &str,
        found: &[Uuid],
        expected: &BTreeSet<Uuid>,
    ) {
        let distinct: BTreeSet<Uuid> = found.iter().copied().collect();
        let held = distinct == *expected && found.len() == expected.len();
        tally.count(path, held, || {
            format!(
                "{}: {path} {what}: {found:?}, expected {expected:?}",
                self.id
            )
        });
    }
}
