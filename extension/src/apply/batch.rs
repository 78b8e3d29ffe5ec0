//! The records of one partition, as the consumer hands them over.

use std::collections::BTreeMap;

use deed_core::decide::Outcome;
use deed_core::event::Event;
use deed_core::record::Header;

use super::position::{self, Partition};
use super::{events, quarantine};
use crate::failure::{Failure, SqlState};
use crate::pg::session;

/// One batch; the arrays stand side by side, headers flattened.
pub struct Batch<'a> {
    /// Where the records come from, and for whom.
    pub partition: Partition<'a>,
    /// The epoch that `deed.claim` gave.
    pub epoch: i64,
    /// The offset that the batch continues from; none before anything was applied.
    pub continues_from: Option<i64>,
    /// The offset to store.
    pub next_offset: i64,
    /// Ascending, with gaps.
    pub offsets: Vec<Option<i64>>,
    /// Milliseconds since 1970, or -1.
    pub timestamps: Vec<Option<i64>>,
    /// Record keys; they are kept in quarantine and not read.
    pub keys: Vec<Option<&'a [u8]>>,
    /// How many headers each record has.
    pub header_counts: Vec<Option<i32>>,
    /// All header names.
    pub header_names: Vec<Option<&'a [u8]>>,
    /// All header values.
    pub header_values: Vec<Option<&'a [u8]>>,
    /// Record values.
    pub payloads: Vec<Option<&'a [u8]>>,
    /// What becomes of records that can't be read.
    pub policy: Policy<'a>,
}

/// What becomes of records that can't be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy<'a> {
    /// Whether they fail the batch, and are not quarantined.
    pub is_intolerant: bool,
    /// The topic that they go to as well.
    pub dead_letter_topic: Option<&'a str>,
    /// Why all of the batch is quarantined, unread: Postgres refused to store it.
    pub refused_for: Option<&'a str>,
}

/// One record of a batch.
pub struct Record<'a> {
    /// Its offset.
    pub offset: i64,
    /// Milliseconds since 1970, or -1.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its headers, in order.
    pub headers: Vec<Header<'a>>,
    /// Its value.
    pub payload: Option<&'a [u8]>,
}

/// How many events of a type had an outcome.
pub struct Count {
    /// The event type; none where it could not be read.
    pub kind: Option<&'static str>,
    /// What became of them.
    pub outcome: Outcome,
    /// How many.
    pub events: i64,
}

/// Applies the batch, quarantines what can't be read and moves the position.
pub fn batch(batch: &Batch<'_>) -> Result<Vec<Count>, Failure> {
    session::require_read_committed()?;
    let records = batch.records()?;
    let position = position::lock(&batch.partition, batch.epoch)?;
    let start = position.continue_from(&batch.partition, batch.continues_from)?;
    let latest = session::latest_event_time();
    let mut readable = Vec::with_capacity(records.len());
    let mut rejected = Vec::new();
    for record in records.iter().filter(|record| Some(record.offset) >= start) {
        pgrx::check_for_interrupts!();
        let read = match batch.policy.refused_for {
            Some(reason) => Err(reason.to_owned()),
            None => Event::from_record(&record.headers, record.payload, latest)
                .map_err(|rejection| rejection.to_string()),
        };
        match read {
            Ok(event) => readable.push(event),
            Err(reason) if batch.policy.is_intolerant => {
                return Err(intolerable(record.offset, &reason));
            }
            Err(reason) => rejected.push((record, reason)),
        }
    }
    let topic = batch.policy.dead_letter_topic;
    quarantine::insert(&batch.partition, position.topic_id, &rejected, topic);
    let outcomes = events(&readable);
    position::advance(&batch.partition, batch.next_offset);

    let mut counts: BTreeMap<(Option<&'static str>, Outcome), i64> = BTreeMap::new();
    for (event, outcome) in readable.iter().zip(outcomes) {
        *counts
            .entry((Some(event.body.kind()), outcome))
            .or_default() += 1;
    }
    if !rejected.is_empty() {
        counts.insert((None, Outcome::Rejected), rejected.len() as i64);
    }
    Ok(counts
        .into_iter()
        .map(|((kind, outcome), events)| Count {
            kind,
            outcome,
            events,
        })
        .collect())
}

impl<'a> Batch<'a> {
    /// The arrays as records, if they fit each other.
    fn records(&self) -> Result<Vec<Record<'a>>, Failure> {
        let records = self.offsets.len();
        if self.next_offset < 0 {
            return Err(malformed(format!(
                "next_offset is {}, expected 0 or more",
                self.next_offset
            )));
        }
        for (name, length) in [
            ("timestamps", self.timestamps.len()),
            ("keys", self.keys.len()),
            ("header_counts", self.header_counts.len()),
            ("payloads", self.payloads.len()),
        ] {
            if length != records {
                return Err(malformed(format!(
                    "{name} has {length} elements, expected {records} as in offsets"
                )));
            }
        }
        let mut headers = self.header_names.iter().zip(&self.header_values);
        let mut result = Vec::with_capacity(records);
        let mut previous = None;
        for i in 0..records {
            let (Some(offset), Some(timestamp), Some(count)) =
                (self.offsets[i], self.timestamps[i], self.header_counts[i])
            else {
                return Err(malformed(
                    "offsets, timestamps and header_counts must not hold nulls",
                ));
            };
            if previous >= Some(offset) || offset < 0 || offset >= self.next_offset {
                return Err(malformed(format!(
                    "offset {offset} is out of order: expected offsets ascending and below next_offset"
                )));
            }
            previous = Some(offset);
            let count = usize::try_from(count)
                .map_err(|_| malformed(format!("header_counts holds {count}")))?;
            let headers: Vec<Header<'a>> = headers
                .by_ref()
                .take(count)
                .map(|(name, value)| (name.unwrap_or_default(), *value))
                .collect();
            if headers.len() != count {
                return Err(malformed("header_names is shorter than header_counts says"));
            }
            result.push(Record {
                offset,
                timestamp,
                key: self.keys[i],
                headers,
                payload: self.payloads[i],
            });
        }
        match self.header_names.len() == self.header_values.len() && headers.next().is_none() {
            true => Ok(result),
            false => Err(malformed(
                "header_names, header_values and the sum of header_counts differ",
            )),
        }
    }
}

fn intolerable(offset: i64, reason: &str) -> Failure {
    Failure::new(
        SqlState::Intolerable,
        format!("the record at offset {offset} can't be applied: {reason}"),
    )
    .hint("Tolerate such records (errors.tolerance = all), or go on behind it by deed.reset_position.")
}

fn malformed(message: impl Into<String>) -> Failure {
    Failure::new(SqlState::MalformedBatch, message)
}
