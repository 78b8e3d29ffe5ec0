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
    let mut readable = Vec::with_capacity(records.len());
    let mut reasons = Vec::with_capacity(records.len());
    for record in &records {
        pgrx::check_for_interrupts!();
        let read = headers(&record.headers).and_then(|headers| {
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| (name.as_slice(), value.as_deref()))
                .collect();
            Event::from_record(&headers, record.payload.as_deref(), latest)
        });
        reasons.push(read.map(|event| readable.push(event)).err());
    }
    let mut outcomes = events(&readable).into_iter();
    let redriven: Vec<Redriven> = records
        .iter()
        .zip(reasons)
        .map(|(record, rejection)| Redriven {
            id: record.id,
            outcome: match &rejection {
                None => outcomes.next().expect("an outcome for each event"),
                Some(_) => Outcome::Rejected,
            },
            reason: rejection.map(|why| super::quarantine::storable(&why.to_string())),
        })
        .collect();
    let ids: Vec<i64> = redriven.iter().map(|record| record.id).collect();
    let reasons: Vec<Option<String>> = redriven.iter().map(|r| r.reason.clone()).collect();
    spi::execute(
        "WITH n AS (SELECT * FROM ROWS FROM (unnest($1), unnest($2)) AS n (id, reason)), \
           gone AS (DELETE FROM deed.quarantine AS q USING n WHERE q.id = n.id AND n.reason IS NULL) \
         UPDATE deed.quarantine AS q SET reason = n.reason \
         FROM n WHERE q.id = n.id AND q.reason <> n.reason",
        &[arg(ids), arg(reasons)],
    );
    Ok(redriven)
}

/// The headers that `quarantine::headers` wrote.
fn headers(json: &str) -> Result<Vec<OwnedHeader>, Rejection> {
    let unreadable = || Rejection::new("headers", "expected what quarantine keeps of them");
    let entries: Vec<Value> = serde_json::from_str(json).map_err(|_| unreadable())?;
    let header = |entry: &Value| {
        let name = bytes(entry, "name").ok_or_else(unreadable)?;
        Ok((name, bytes(entry, "value")))
    };
    entries.iter().map(header).collect()
}

type OwnedHeader = (Vec<u8>, Option<Vec<u8>>);

fn bytes(entry: &Value, name: &str) -> Option<Vec<u8>> {
    let text = entry[name].as_str().map(|text| text.as_bytes().to_vec());
    text.or_else(|| {
        let encoded = entry[format!("{name}_base64")].as_str()?;
        BASE64.decode(encoded.as_bytes()).ok()
    })
}
