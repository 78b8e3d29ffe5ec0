//! The rows that 0.1.0 left for its events, written by plain SQL: its library is not here any more.

use deed_core::event::Event as CoreEvent;
use deed_core::version::Instant;
use deed_tests::event::Event;
use deed_tests::owner::{GROUP, TOPIC, topic_id};
use postgres::Client;
use postgres::types::ToSql;
use uuid::Uuid;

/// The version of an event, as stored.
fn version(event: &Event) -> Vec<u8> {
    let latest = Instant::parse("latest", "9999-12-31T23:59:59Z").expect("a time");
    let read = CoreEvent::from_structured(&event.envelope().to_string(), latest).expect("an event");
    read.version.as_bytes().to_vec()
}

/// Writes what each event says; later events of one register must not come before earlier ones.
pub fn write(client: &mut Client, events: &[Event]) {
    for event in events {
        write_one(client, event);
    }
}

fn write_one(client: &mut Client, event: &Event) {
    let (subject, version) = (&event.subject, &version(event));
    let text = |member: &str| event.data[member].as_str().map(str::to_owned);
    let who = |member: &str| {
        let uuid: Option<Uuid> = text(member).and_then(|text| text.parse().ok());
        uuid
    };
    let mut run = |sql: &str, values: &[&(dyn ToSql + Sync)]| {
        let sql = sql.replace("$time", &format!("timestamptz '{}'", event.time));
        client
            .execute(&sql, values)
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    };
    if event.kind.starts_with("document.") || event.kind.starts_with("permission.") {
        let sql = "INSERT INTO deed.document (id) VALUES ($1) ON CONFLICT DO NOTHING";
        run(sql, &[subject]);
    }
    let permission = "INSERT INTO deed.permission
      (document_id, recipient_id, version, level, granted_by, granted_at, expires_at)
      VALUES ($1, $2, $3, $4::text::deed.permission_level, $5, $time, $6::text::timestamptz)
      ON CONFLICT (document_id, recipient_id) DO UPDATE SET version = excluded.version,
        level = excluded.level, granted_by = excluded.granted_by,
        granted_at = excluded.granted_at, expires_at = excluded.expires_at";
    match event.kind.as_str() {
        "document.created" => {
            let by = who("created_by");
            run(
                "UPDATE deed.document SET creation_version = $2, created_at = $time, created_by = $3,
                   title_version = $2, title = $4, last_modified = $time, last_modified_by = $3
                 WHERE id = $1",
                &[subject, version, &by, &text("title")],
            );
            let no_expiry: Option<String> = None;
            run(
                permission,
                &[subject, &by, version, &"owner", &by, &no_expiry],
            );
        }
        "document.deleted" => run(
            "UPDATE deed.document SET lifecycle_version = $2, deleted_at = $time, deleted_by = $3
             WHERE id = $1",
            &[subject, version, &who("by")],
        ),
        "principal.registered" => run(
            "INSERT INTO deed.principal (id, kind_version, kind, name_version, name)
             VALUES ($1, $2, $3::text::deed.permission_recipient, $2, $4)",
            &[subject, version, &text("kind"), &text("name")],
        ),
        "permission.granted" => run(
            permission,
            &[
                subject,
                &who("recipient"),
                version,
                &text("level"),
                &who("granted_by"),
                &text("expires_at"),
            ],
        ),
        "permission.revoked" => {
            let (none, by): (Option<String>, _) = (None, who("revoked_by"));
            run(
                permission,
                &[subject, &who("recipient"), version, &none, &by, &none],
            );
        }
        kind => panic!("0.1.0 knew no {kind}"),
    }
}

/// The record of an event that 0.1.0 did not know, as it kept it.
pub fn quarantine(client: &mut Client, offset: i64, event: &Event) {
    client
        .execute(
            "INSERT INTO deed.quarantine (topic, topic_id, partition, record_offset, record_timestamp,
               record_key, headers, payload, reason)
             VALUES ($1, $2, 0, $3, -1, NULL,
               '[{\"name\": \"content-type\", \"value\": \"application/cloudevents+json\"}]', $4,
               'type: expected a type that Deed knows')",
            &[
                &TOPIC,
                &topic_id(),
                &offset,
                &event.envelope().to_string().into_bytes(),
            ],
        )
        .expect("quarantined");
}

/// Where the consumer was.
pub fn position(client: &mut Client, next_offset: i64) {
    client
        .execute(
            "INSERT INTO deed.stream_position
               (consumer_group, topic, partition, topic_id, next_offset, epoch)
             VALUES ($1, $2, 0, $3, $4, 1)",
            &[&GROUP, &TOPIC, &topic_id(), &next_offset],
        )
        .expect("position");
}

/// What `sql/grants.sql` of 0.1.0 gave the consumer.
pub const GRANTS: &str = "
  GRANT USAGE ON SCHEMA deed TO deed_consumer;
  GRANT EXECUTE ON FUNCTION
    deed.claim(text, text, integer, uuid),
    deed.apply_batch(text, text, integer, bigint, bigint, bigint, bigint[], bigint[], bytea[],
      integer[], bytea[], bytea[], bytea[])
  TO deed_consumer";
