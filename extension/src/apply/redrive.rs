//! Quarantined records, applied once more.

use data_encoding::BASE64;
use deed_core::Rejection;
use deed_core::decide::Outcome;
use deed_core::event::Event;
use serde_json::Value;

use super::events;
use crate::failure::Failure;
use crate::pg::session;
use crate::pg::spi::{self, arg};

/// What became of one quarantined record.
pub struct Redriven {
    /// Its id in quarantine.
    pub id: i64,
    /// Whether it could be read, and what it did.
    pub outcome: Outcome,
    /// Why it stays, if it does.
    pub reason: Option<String>,
}

struct Quarantined {
    id: i64,
    headers: String,
    payload: Option<Vec<u8>>,
}

/// Applies the records as one batch, and takes those that can be read now out of quarantine.
pub fn redrive(ids: Vec<Option<i64>>) -> Result<Vec<Redriven>, Failure> {
    session::require_read_committed()?;
    let records: Vec<Quarantined> = spi::write(
        "SELECT q.id, q.headers::text, q.payload FROM deed.quarantine AS q \
         WHERE q.id = ANY ($1) ORDER BY q.id FOR UPDATE",
        &[arg(ids)],
        |row| {
            Some(Quarantined {
                id: row.get(1)?,
                headers: row.get(2)?,
                payload: row.get(3),
            })
        },
    )
    .into_iter()
    .flatten()
    .collect();
    let latest = session::latest_event_time();
    let read: Vec<Result<Event, Rejection>> = records
        .iter()
        .map(|record| {
            pgrx::check_for_interrupts!();
            let headers = headers(&record.headers);
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| (name.as_slice(), value.as_deref()))
                .collect();
            Event::from_record(&headers, record.payload.as_deref(), latest)
        })
        .collect();
    let readable: Vec<Event> = read.iter().flatten().cloned().collect();
    let mut outcomes = events(&readable).into_iter();
    let redriven: Vec<Redriven> = records
        .iter()
        .zip(read)
        .map(|(record, read)| match read {
            Ok(_) => Redriven {
                id: record.id,
                outcome: outcomes.next().unwrap_or(Outcome::Rejected),
                reason: None,
            },
            Err(rejection) => Redriven {
                id: record.id,
                outcome: Outcome::Rejected,
                reason: Some(super::quarantine::reason(&rejection)),
            },
        })
        .collect();
    let (gone, stays): (Vec<&Redriven>, Vec<&Redriven>) =
        redriven.iter().partition(|record| record.reason.is_none());
    spi::execute(
        "DELETE FROM deed.quarantine WHERE id = ANY ($1)",
        &[arg(gone.iter().map(|record| record.id).collect::<Vec<_>>())],
    );
    spi::execute(
        "UPDATE deed.quarantine AS q SET reason = n.reason \
         FROM ROWS FROM (unnest($1), unnest($2)) AS n (id, reason) WHERE q.id = n.id",
        &[
            arg(stays.iter().map(|record| record.id).collect::<Vec<_>>()),
            arg(stays
                .iter()
                .map(|record| record.reason.clone())
                .collect::<Vec<_>>()),
        ],
    );
    Ok(redriven)
}

/// The headers that `quarantine::headers` wrote.
fn headers(json: &str) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let entries: Vec<Value> = serde_json::from_str(json).unwrap_or_default();
    entries
        .iter()
        .map(|entry| {
            let name = bytes(entry, "name").unwrap_or_default();
            (name, bytes(entry, "value"))
        })
        .collect()
}

fn bytes(entry: &Value, name: &str) -> Option<Vec<u8>> {
    let text = entry[name].as_str().map(|text| text.as_bytes().to_vec());
    text.or_else(|| {
        let encoded = entry[format!("{name}_base64")].as_str()?;
        BASE64.decode(encoded.as_bytes()).ok()
    })
}
