//! The tables in the model's words: each register with its version and value, as text.

use std::collections::BTreeMap;

use deed_model::model::Version;
use postgres::{Client, Row};
use serde_json::{Value, json};
use uuid::Uuid;

const MICROS: &str = "
  CREATE OR REPLACE FUNCTION pg_temp.micros(timestamptz) RETURNS bigint LANGUAGE sql
  RETURN (extract(epoch FROM $1) * 1000000)::bigint";
/// Values as JSON.
const DOCUMENTS: &str = "
  SELECT id, creation_version, created_by, pg_temp.micros(created_at),
    title_version, to_json(title)::text, metadata_version, metadata::text, content_version, content::text,
    deleted_version, deleted_by, pg_temp.micros(deleted_at), last_modified_by, pg_temp.micros(last_modified), purged
  FROM deed.document";
const PRINCIPALS: &str = "
  SELECT id, kind_version, to_json(kind)::text, name_version, to_json(name)::text,
    description_version, to_json(description)::text, token_version, to_json(encode(token_sha256, 'hex'))::text,
    promotion_version, to_json(promoted_to)::text, removed_version, removed_by, pg_temp.micros(removed_at)
  FROM deed.principal";
const MEMBERSHIPS: &str = "
  SELECT group_id, member_id, version, removed, changed_by, pg_temp.micros(changed_at) FROM deed.membership";
const PERMISSIONS: &str = "
  SELECT document_id, recipient_id, version, level::text, granted_by, pg_temp.micros(granted_at),
    pg_temp.micros(expires_at)
  FROM deed.permission";

/// Everything that is stored, in the form of `Model::registers`. A stored time that is not its version's shows
/// behind the value, where the model has nothing.
pub fn read(client: &mut Client) -> BTreeMap<String, String> {
    let mut registers = Registers::default();
    client.batch_execute(MICROS).expect("a function");
    for (query, read) in [
        (DOCUMENTS, Registers::document as fn(&mut Registers, &Row)),
        (PRINCIPALS, Registers::principal),
        (MEMBERSHIPS, Registers::membership),
        (PERMISSIONS, Registers::permission),
    ] {
        let rows = client.query(query, &[]).expect(query);
        rows.iter().for_each(|row| read(&mut registers, row));
    }
    registers.0
}

#[derive(Default)]
struct Registers(BTreeMap<String, String>);

impl Registers {
    fn document(&mut self, row: &Row) {
        let id: Uuid = row.get(0);
        if row.get(15) {
            self.0
                .insert(format!("document {id} purged"), String::new());
            return;
        }
        let by: Option<Uuid> = row.get(2);
        self.add(
            format!("document {id} creation"),
            version(row, 1),
            json!({ "by": by }),
            row.get(3),
        );
        for (name, place) in [("title", 4), ("metadata", 6), ("content", 8)] {
            self.value(format!("document {id} {name}"), row, place);
        }
        self.lifecycle(format!("document {id} lifecycle"), row, 10);
        let modified = [1, 4, 6, 8]
            .into_iter()
            .filter_map(|place| version(row, place))
            .max();
        let by: Option<Uuid> = row.get(13);
        self.add(
            format!("document {id} modified"),
            modified,
            json!({ "by": by }),
            row.get(14),
        );
    }

    fn principal(&mut self, row: &Row) {
        let id: Uuid = row.get(0);
        for (name, place) in [
            ("kind", 1),
            ("name", 3),
            ("description", 5),
            ("token", 7),
            ("promotion", 9),
        ] {
            self.value(format!("principal {id} {name}"), row, place);
        }
        self.lifecycle(format!("principal {id} lifecycle"), row, 11);
    }

    fn membership(&mut self, row: &Row) {
        let (group, member): (Uuid, Uuid) = (row.get(0), row.get(1));
        let (removed, by): (bool, Option<Uuid>) = (row.get(3), row.get(4));
        let value = json!({ "member": !removed, "by": by });
        self.add(
            format!("membership {group} {member}"),
            version(row, 2),
            value,
            row.get(5),
        );
    }

    fn permission(&mut self, row: &Row) {
        let (document, recipient): (Uuid, Uuid) = (row.get(0), row.get(1));
        let (level, by): (Option<String>, Option<Uuid>) = (row.get(3), row.get(4));
        let expires_at: Option<i64> = row.get(6);
        let value = json!({ "level": level, "by": by, "expires_at": expires_at });
        self.add(
            format!("permission {document} {recipient}"),
            version(row, 2),
            value,
            row.get(5),
        );
    }

    /// A version, and behind it what it set, as JSON.
    fn value(&mut self, register: String, row: &Row, place: usize) {
        let text: Option<String> = row.get(place + 1);
        let value = text.map_or(Value::Null, |text| {
            serde_json::from_str(&text).expect("JSON")
        });
        self.add(register, version(row, place), value, None);
    }

    /// A version, and behind it who ended it and when: null while it is there.
    fn lifecycle(&mut self, register: String, row: &Row, place: usize) {
        let (by, at): (Option<Uuid>, Option<i64>) = (row.get(place + 1), row.get(place + 2));
        let value = match at {
            Some(_) => json!({ "gone": true, "by": by }),
            None => json!({ "gone": false }),
        };
        self.add(register, version(row, place), value, at);
    }

    fn add(&mut self, register: String, version: Option<Version>, value: Value, at: Option<i64>) {
        let Some(version) = version else {
            return;
        };
        let wrong = at.filter(|at| i128::from(*at) != version.micros());
        let wrong = wrong.map_or_else(String::new, |at| format!(" stored at {at}"));
        self.0.insert(register, format!("{version} {value}{wrong}"));
    }
}

fn version(row: &Row, place: usize) -> Option<Version> {
    let bytes: Option<Vec<u8>> = row.get(place);
    bytes.map(|bytes| Version::stored(&bytes).expect("a version as documented"))
}
