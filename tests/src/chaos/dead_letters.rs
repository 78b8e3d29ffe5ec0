//! What must hold of the dead letters: one for each record that is quarantined, as it was, and no other.

use std::collections::BTreeMap;

use rdkafka::Message;
use rdkafka::message::{Headers, OwnedMessage};

use super::events_out::only;
use super::judgement::Judgement;
use super::load::{Load, PARTITIONS};

/// Where they go.
pub const TOPIC: &str = "chaos.dead";

/// Of a consumer; the relay makes the topic.
pub fn settings() -> String {
    format!(
        "errors.deadletterqueue.topic.name = \"{TOPIC}\"\n\
         errors.deadletterqueue.topic.replication.factor = 1\n\
         errors.deadletterqueue.context.headers.enable = true\n"
    )
}

/// Whether these are all.
pub fn judge(judgement: &mut Judgement, load: &Load, records: &[OwnedMessage]) {
    let mut found = BTreeMap::new();
    let mut lines = Vec::new();
    for record in records {
        let Some(place) = place(record) else {
            lines.push(format!("one says not where it comes from: {record:?}"));
            continue;
        };
        let value = record.payload().map(<[u8]>::to_vec);
        if let Some(earlier) = found.insert(place, value.clone())
            && earlier != value
        {
            lines.push(format!("{place:?} has two values"));
        }
    }
    let mut expected = BTreeMap::new();
    for (n, sent) in load.records().enumerate() {
        if sent.event.is_none() {
            let (n, partitions) = (n as i64, i64::from(PARTITIONS));
            expected.insert((n % partitions, n / partitions), sent.record.value);
        }
    }
    lines.extend(only("dead letter", &found, &expected));
    judgement.lines(
        "dead letters, one for each quarantined record",
        expected.len(),
        lines,
    );
}

/// Partition and offset.
fn place(record: &OwnedMessage) -> Option<(i64, i64)> {
    let headers = record.headers()?;
    let number = |name: &str| {
        let header = headers.iter().find(|header| header.key == name)?;
        std::str::from_utf8(header.value?).ok()?.parse().ok()
    };
    Some((
        number("__connect.errors.partition")?,
        number("__connect.errors.offset")?,
    ))
}
