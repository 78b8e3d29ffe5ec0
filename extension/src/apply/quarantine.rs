//! What can't be read is kept whole, with the reason, and the rest goes on.

use data_encoding::BASE64;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::batch::Record;
use super::position::Partition;
use crate::pg::ids::sql_uuid;
use crate::pg::spi::{self, arg};

/// Keeps the records with what is wrong with them, each once however often it is consumed; those that are new here
/// go to the dead-letter topic as well.
pub fn insert(
    partition: &Partition<'_>,
    topic_id: Uuid,
    rejected: &[(&Record<'_>, String)],
    dead_letter_topic: Option<&str>,
) {
    if rejected.is_empty() {
        return;
    }
    let column = |value: fn(&Record<'_>) -> Option<Vec<u8>>| -> Vec<Option<Vec<u8>>> {
        rejected.iter().map(|(record, _)| value(record)).collect()
    };
    let numbers = |value: fn(&Record<'_>) -> i64| -> Vec<i64> {
        rejected.iter().map(|(record, _)| value(record)).collect()
    };
    let headers: Vec<String> = rejected.iter().map(|(r, _)| headers(r)).collect();
    let reasons: Vec<String> = rejected.iter().map(|(_, why)| storable(why)).collect();
    spi::execute(
        "WITH kept AS ( \
           INSERT INTO deed.quarantine (topic, topic_id, partition, record_offset, \
             record_timestamp, record_key, headers, payload, reason) \
           SELECT $1, $2, $3, n.record_offset, n.record_timestamp, n.record_key, \
             n.headers::jsonb, n.payload, n.reason \
           FROM ROWS FROM (unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9)) \
             AS n (record_offset, record_timestamp, record_key, headers, payload, reason) \
           ORDER BY n.record_offset \
           ON CONFLICT (topic_id, partition, record_offset) DO NOTHING \
           RETURNING record_offset, record_key, headers, payload, reason) \
         INSERT INTO deed.dead_letter (destination, consumer_group, topic, partition, record_offset, \
           record_key, headers, payload, reason) \
         SELECT $10, $11, $1, $3, k.record_offset, k.record_key, k.headers, k.payload, k.reason \
         FROM kept AS k WHERE $10 IS NOT NULL ORDER BY k.record_offset",
        &[
            arg(partition.topic.to_owned()),
            arg(sql_uuid(topic_id)),
            arg(partition.partition),
            arg(numbers(|record| record.offset)),
            arg(numbers(|record| record.timestamp)),
            arg(column(|record| record.key.map(<[u8]>::to_vec))),
            arg(headers),
            arg(column(|record| record.payload.map(<[u8]>::to_vec))),
            arg(reasons),
            arg(dead_letter_topic.map(str::to_owned)),
            arg(partition.consumer_group.to_owned()),
        ],
    );
}

/// The reason as text that Postgres can store.
pub fn storable(reason: &str) -> String {
    reason.replace('\0', "\\0")
}

/// The headers in order, as JSON; bytes that are not storable as text in base64.
fn headers(record: &Record<'_>) -> String {
    let entry = |(name, value): &(&[u8], Option<&[u8]>)| {
        let mut entry = Map::new();
        put(&mut entry, "name", Some(name));
        put(&mut entry, "value", *value);
        Value::Object(entry)
    };
    Value::Array(record.headers.iter().map(entry).collect()).to_string()
}

fn put(entry: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    let text = bytes.map(|bytes| {
        std::str::from_utf8(bytes)
            .ok()
            .filter(|t| !t.contains('\0'))
    });
    match (bytes, text.flatten()) {
        (Some(bytes), None) => {
            entry.insert(format!("{name}_base64"), BASE64.encode(bytes).into());
        }
        (_, text) => {
            entry.insert(name.to_owned(), text.into());
        }
    }
}
