//! What the consumer is measured against: itself, with a function in the place of `deed.apply_batch` that writes the same rows by typed
//! upserts.
//!
//! Whatever an event leads to is in tables beforehand, by partition and offset: facts in the types of their columns, the rows of
//! `deed.listing` that come and go, the marks. What is left to do in a batch is to take of several facts of one register the newest,
//! and to write. The floor leaves out what needs more than the record: it locks nothing but by writing, reads nothing of what was
//! there, looks for no watches, and leaves `deed.closure` empty.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Write as _;

use deed_core::event::Event as Parsed;
use deed_core::version::Instant as EventTime;
use postgres::Client;
use serde_json::Value;
use uuid::Uuid;

use super::story::Told;
use crate::bench::session::Fallible;
use crate::postgres::Postgres;

const FUNCTION: &str = include_str!("floor.sql");
const TABLES: &str = "
  CREATE SCHEMA bench;
  CREATE TABLE bench.fact (partition integer, record_offset bigint, register text, id uuid, other uuid,
    version bytea, word text, actor uuid, at timestamptz);
  CREATE TABLE bench.listed (partition integer, record_offset bigint, recipient_id uuid, document_id uuid,
    old_level deed.permission_level, old_modified timestamptz,
    new_level deed.permission_level, new_modified timestamptz);
  CREATE TABLE bench.mark (partition integer, record_offset bigint, kind deed.mark_kind, subject uuid,
    version bytea)";
const INDEXES: &str = "
  CREATE INDEX ON bench.fact (partition, register, record_offset);
  CREATE INDEX ON bench.listed (partition, record_offset);
  CREATE INDEX ON bench.mark (partition, record_offset)";

/// Makes a database with all that in it, to be copied: nobody is connected to it behind this.
pub fn create(postgres: &Postgres, database: &str, story: &[Told]) -> Fallible<()> {
    postgres.create_database(database)?;
    let mut admin = postgres.admin(database)?;
    admin.batch_execute(TABLES)?;
    let rows = Rows::of(story)?;
    for (table, text) in [
        ("fact", rows.facts),
        ("listed", rows.listed),
        ("mark", rows.marks),
    ] {
        let mut copying = admin.copy_in(&format!("COPY bench.{table} FROM STDIN"))?;
        copying.write_all(text.as_bytes())?;
        copying.finish()?;
    }
    admin.batch_execute(INDEXES)?;
    admin.batch_execute(FUNCTION)?;
    for table in ["fact", "listed", "mark"] {
        admin.batch_execute(&format!("VACUUM (FREEZE, ANALYZE) bench.{table}"))?;
    }
    Ok(())
}

/// All that both databases should hold alike, as a line each.
pub fn digests(admin: &mut Client) -> Fallible<Vec<String>> {
    let tables = [
        "document",
        "permission",
        "listing",
        "principal",
        "membership",
    ];
    let digest = |table: &str| {
        let row = admin.query_one(
            &format!(
                "SELECT count(*) || ' rows, ' || md5(string_agg(t::text, '' ORDER BY t::text)) FROM deed.{table} AS t"
            ),
            &[],
        )?;
        Ok(format!("{table}: {}", row.get::<_, String>(0)))
    };
    tables.into_iter().map(digest).collect()
}

/// What stands in the three tables, as COPY takes it.
#[derive(Default)]
struct Rows {
    facts: String,
    listed: String,
    marks: String,
    documents: HashMap<Uuid, Document>,
}

/// What is known of a document behind the last event.
#[derive(Default)]
struct Document {
    modified: String,
    held: BTreeMap<Uuid, String>,
}

/// An event, and what all rows of it have.
struct Of<'a> {
    told: &'a Told,
    version: String,
    actor: Option<Uuid>,
    other: Option<Uuid>,
    word: Option<&'a str>,
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map_or("\\N".to_owned(), |value| value.to_string())
}

impl Rows {
    fn of(story: &[Told]) -> Fallible<Self> {
        let latest = EventTime::parse("latest", "9999-01-01T00:00:00Z")
            .map_err(|error| format!("{error:?}"))?;
        let mut rows = Self::default();
        for told in story {
            let event = &told.event;
            let parsed = Parsed::from_structured(&event.envelope().to_string(), latest)
                .map_err(|error| format!("{event:?}: {error:?}"))?;
            let data = |names: &[&str]| names.iter().find_map(|name| event.data.get(name));
            let uuid = |value: &Value| value.as_str()?.parse().ok();
            let actors = ["created_by", "updated_by", "granted_by", "revoked_by", "by"];
            let mut version = "\\\\x".to_owned();
            for byte in parsed.version.as_bytes() {
                write!(version, "{byte:02x}")?;
            }
            rows.add(&Of {
                told,
                version,
                actor: data(&actors).and_then(uuid),
                other: data(&["recipient", "member"]).and_then(uuid),
                word: data(&["level", "title", "name"]).and_then(Value::as_str),
            })?;
        }
        Ok(rows)
    }

    fn add(&mut self, of: &Of<'_>) -> Fallible<()> {
        let Told { event, .. } = of.told;
        let id = event.subject;
        match event.kind.as_str() {
            "document.created" => {
                self.fact(of, "creation", None, of.word)?;
                self.fact(of, "permission", of.actor, Some("owner"))?;
                self.mark(of, "owned", id)?;
                self.documents.entry(id).or_default().modified = event.time.clone();
                self.hold(of, of.actor, Some("owner"))
            }
            "document.updated" => {
                self.fact(of, "title", None, of.word)?;
                let document = self.documents.entry(id).or_default();
                let old = std::mem::replace(&mut document.modified, event.time.clone());
                for (recipient, level) in &document.held {
                    let row = [level, &old, level, &event.time];
                    listed(&mut self.listed, of, *recipient, row.map(String::as_str))?;
                }
                Ok(())
            }
            "document.deleted" => {
                self.fact(of, "deletion", None, None)?;
                self.mark(of, "owned", id)?;
                let document = self.documents.remove(&id).unwrap_or_default();
                for (recipient, level) in &document.held {
                    let row = [level, &document.modified, "\\N", "\\N"];
                    listed(&mut self.listed, of, *recipient, row)?;
                }
                Ok(())
            }
            "permission.granted" | "permission.revoked" => {
                self.fact(of, "permission", of.other, of.word)?;
                self.hold(of, of.other, of.word)
            }
            "principal.registered" => {
                let kind = event.data["kind"].as_str().unwrap_or_default();
                if kind == "user" {
                    self.mark(of, "principal", id)?;
                }
                self.fact(of, kind, None, of.word)
            }
            "principal.updated" => self.fact(of, "name", None, of.word),
            "group.member_added" | "group.member_removed" => {
                if let Some(member) = of.other {
                    self.mark(of, "principal", member)?;
                }
                let word = event.kind.strip_prefix("group.member_");
                self.fact(of, "membership", of.other, word)
            }
            other => Err(format!("the floor knows no {other}").into()),
        }
    }

    /// The recipient holds that from now on.
    fn hold(&mut self, of: &Of<'_>, recipient: Option<Uuid>, level: Option<&str>) -> Fallible<()> {
        let recipient = recipient.ok_or("a permission without recipient")?;
        let document = self.documents.entry(of.told.event.subject).or_default();
        let old = match level {
            Some(level) => document.held.insert(recipient, level.to_owned()),
            None => document.held.remove(&recipient),
        };
        let pair = |level: Option<&str>| match level {
            Some(level) => [level.to_owned(), document.modified.clone()],
            None => ["\\N".to_owned(), "\\N".to_owned()],
        };
        let ([old, old_modified], [new, new_modified]) = (pair(old.as_deref()), pair(level));
        let row = [&old, &old_modified, &new, &new_modified];
        listed(&mut self.listed, of, recipient, row.map(String::as_str))
    }

    fn fact(
        &mut self,
        of: &Of<'_>,
        register: &str,
        other: Option<Uuid>,
        word: Option<&str>,
    ) -> Fallible<()> {
        let Told {
            event,
            partition,
            offset,
        } = of.told;
        let (other, word, actor) = (text(other), text(word), text(of.actor));
        let (id, version, at) = (event.subject, &of.version, &event.time);
        Ok(writeln!(
            self.facts,
            "{partition}\t{offset}\t{register}\t{id}\t{other}\t{version}\t{word}\t{actor}\t{at}"
        )?)
    }

    fn mark(&mut self, of: &Of<'_>, kind: &str, subject: Uuid) -> Fallible<()> {
        let Told {
            partition, offset, ..
        } = of.told;
        let version = &of.version;
        Ok(writeln!(
            self.marks,
            "{partition}\t{offset}\t{kind}\t{subject}\t{version}"
        )?)
    }
}

/// A row that comes, goes or moves.
fn listed(to: &mut String, of: &Of<'_>, recipient: Uuid, row: [&str; 4]) -> Fallible<()> {
    let Told {
        event,
        partition,
        offset,
    } = of.told;
    let (document, row) = (event.subject, row.join("\t"));
    Ok(writeln!(
        to,
        "{partition}\t{offset}\t{recipient}\t{document}\t{row}"
    )?)
}
