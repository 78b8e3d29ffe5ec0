//! What must hold behind the faults: nothing missing, nothing twice, tables and events as the reference has them.
//!
//! There are two references. The model recomputes each register from the events alone and shares no code with the
//! product; a calm run applies the same records, in other batches, to another database, and so also has what the
//! model does not: quarantine and derived tables, to the row.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;

use deed_model::model::{self, Model};
use postgres::Client;
use uuid::Uuid;

use super::ground::Ground;
use super::load::Load;
use crate::arrivals::{self, Arrived};
use crate::outbound::{Folded, Reader, word};
use crate::snapshot::Snapshot;
use crate::stage::OUTBOUND;
use crate::{answers, audit, derived, reference, registers};

/// Of one comparison not more are shown.
const SHOWN: usize = 5;

/// What was compared, and where it differs.
#[derive(Debug, Default)]
pub struct Judgement {
    /// What was compared and found equal, a line each.
    pub equal: Vec<String>,
    /// A line each.
    pub differences: Vec<String>,
    /// Records that were quarantined.
    pub quarantined: usize,
    /// Events that went out.
    pub told: usize,
    /// How many of them came again.
    pub again: usize,
}

impl Judgement {
    fn differ(&mut self, what: &str, lines: Vec<String>) {
        let more = lines.len().saturating_sub(SHOWN);
        let shown = lines.into_iter().take(SHOWN);
        self.differences
            .extend(shown.map(|line| format!("{what}: {line}")));
        if more > 0 {
            self.differences.push(format!("{what}: {more} more"));
        }
    }

    fn expect<T: PartialEq + Debug>(&mut self, what: &str, found: T, expected: T) {
        match found == expected {
            true => self.equal.push(format!("{what}: {expected:?}")),
            false => self
                .differences
                .push(format!("{what}: found {found:?}, expected {expected:?}")),
        }
    }

    fn lines(&mut self, what: &str, size: usize, lines: Vec<String>) {
        match lines.is_empty() {
            true => self.equal.push(format!("{what}: {size}")),
            false => self.differ(what, lines),
        }
    }
}

/// Judges a line that has come to rest; `ends` are its topic's.
pub fn judge(ground: &Ground<'_>, load: &Load, ends: &[i64]) -> Result<Judgement, String> {
    let mut judgement = Judgement::default();
    let mut client = ground.line.admin();
    let sent: i64 = ends.iter().sum();
    judgement.expect("records in Kafka", sent, load.count as i64);
    let (missing, doubled) = audit::missing_and_doubled(&mut client, ends);
    judgement.expect("offsets that no position went over", missing, 0);
    judgement.expect("offsets that positions went over twice", doubled, 0);
    judgement.expect(
        "moves of owners that had lost their partition",
        audit::late_moves(&mut client),
        0,
    );

    let (model, quarantined) = model(load);
    let found = registers::read(&mut client);
    let expected = model.registers();
    judgement.lines(
        "registers, as the model's",
        expected.len(),
        model::differences(&found, &expected),
    );
    drop((found, expected));
    judgement.lines(
        "derived tables, as computed anew",
        3,
        derived::differences(&mut client),
    );
    let rows = count(&mut client, "SELECT count(*) FROM deed.quarantine");
    judgement.expect("quarantined", rows, quarantined);
    judgement.quarantined = rows;

    let records = ground.kafka.read(OUTBOUND)?;
    match arrivals::arrived(&records) {
        Ok(arrived) => events_out(&mut judgement, &mut client, load, &model, &arrived),
        Err(difference) => judgement.differ("events out", vec![difference]),
    }
    logs(&mut judgement, ground);
    Ok(judgement)
}

/// Whether the tables are those of a run that nothing disturbed.
pub fn compare_with_calm(judgement: &mut Judgement, disturbed: &mut Client, calm: &mut Client) {
    let (disturbed, calm) = (Snapshot::take(disturbed), Snapshot::take(calm));
    let rows = [
        "document",
        "principal",
        "permission",
        "membership",
        "listing",
        "closure",
        "quarantine",
    ];
    let rows = rows.map(|table| calm.count(table)).iter().sum();
    let difference = disturbed.compare(&calm).err();
    judgement.lines(
        "rows of all tables, as an undisturbed run's",
        rows,
        difference.into_iter().collect(),
    );
}

/// All that was sent, and how many records are to be quarantined.
fn model(load: &Load) -> (Model, usize) {
    let mut quarantined = 0;
    let events = load.records().filter_map(|sent| {
        quarantined += usize::from(sent.event.is_none());
        sent.event
    });
    let events: Vec<_> = events.collect();
    (reference::model(&events), quarantined)
}

fn count(client: &mut Client, query: &str) -> usize {
    client.query_one(query, &[]).expect(query).get::<_, i64>(0) as usize
}

fn events_out(
    judgement: &mut Judgement,
    client: &mut Client,
    load: &Load,
    model: &Model,
    arrived: &Arrived,
) {
    judgement.told = arrived.first.len();
    judgement.again = arrived.again;
    let told = arrivals::told(client);
    let lost = arrivals::compare(&told, arrived).err();
    judgement.lines(
        "events out, as the outbox had them",
        told.len(),
        lost.into_iter().collect(),
    );
    let mut reader = Reader::default();
    let wrong: Vec<String> = arrived
        .first
        .iter()
        .filter_map(|told| reader.read(told).err())
        .collect();
    judgement.lines(
        "events out, each of them a change from the one before",
        arrived.first.len(),
        wrong,
    );

    let (known, expected) = (&reader.known, Folded::expected(model));
    let mut lines = Vec::new();
    lines.extend(only(
        "permission",
        &known.permissions,
        &expected.permissions,
    ));
    lines.extend(only("promotion", &known.promoted, &expected.promoted));
    for (what, found, expected) in [
        ("deleted", &known.deleted, &expected.deleted),
        ("purged", &known.purged, &expected.purged),
        ("removed", &known.removed, &expected.removed),
    ] {
        let differing = found.symmetric_difference(expected);
        lines.extend(differing.map(|id| format!("{what} {id}: told {}", found.contains(id))));
    }
    let differing = known.members.symmetric_difference(&expected.members);
    lines.extend(
        differing.map(|pair| format!("member {pair:?}: told {}", known.members.contains(pair))),
    );
    let size = expected.permissions.len() + expected.members.len();
    judgement.lines(
        "events out, folded, as the model's: permissions and members",
        size,
        lines,
    );
    watched(judgement, client, load, model, &reader);
}

/// The keys whose values differ.
fn only<K: Ord + Debug, V: PartialEq + Debug>(
    what: &str,
    found: &BTreeMap<K, V>,
    expected: &BTreeMap<K, V>,
) -> Vec<String> {
    let keys: BTreeSet<&K> = found.keys().chain(expected.keys()).collect();
    let differing = keys
        .into_iter()
        .filter(|key| found.get(key) != expected.get(key));
    differing
        .map(|key| {
            let (found, expected) = (found.get(key), expected.get(key));
            format!("{what} {key:?}: told {found:?}, expected {expected:?}")
        })
        .collect()
}

/// Whether the levels that were told lead from none, where they were first watched, to what they are now, and whether
/// the orphans are told.
fn watched(
    judgement: &mut Judgement,
    client: &mut Client,
    load: &Load,
    model: &Model,
    reader: &Reader,
) {
    let now = answers::now(client);
    let settled = model.settled();
    let mut changes = 0;
    let mut lines = Vec::new();
    for pair in load.watched() {
        let (document, principal) = pair;
        let level = word(settled.level(principal, document, &now));
        let levels = reader
            .levels
            .get(&pair)
            .cloned()
            .unwrap_or_else(|| vec![None]);
        if levels.first() != Some(&None) || levels.last() != Some(&level) {
            lines.push(format!("{pair:?} was told {levels:?}, and is {level:?}"));
        }
        changes += levels.len() - 1;
    }
    judgement.lines(
        "changes of watched levels, which lead to the model's",
        changes,
        lines,
    );
    let orphans = client
        .query("SELECT document_id FROM deed.orphan", &[])
        .expect("orphans");
    let orphans: BTreeSet<Uuid> = orphans.iter().map(|row| row.get(0)).collect();
    let expected: BTreeSet<Uuid> = model.orphaned(&now).into_iter().collect();
    let differing = orphans.symmetric_difference(&expected);
    let mut lines: Vec<String> = differing
        .map(|id| {
            format!(
                "{id}: {}",
                if orphans.contains(id) {
                    "is none"
                } else {
                    "is missing"
                }
            )
        })
        .collect();
    let untold = orphans
        .iter()
        .filter(|id| !reader.orphaned.contains_key(id));
    lines.extend(untold.map(|id| format!("{id} was not told")));
    judgement.lines(
        "orphaned documents, told and as the model's",
        expected.len(),
        lines,
    );
}

/// Nobody panicked and no backend crashed, but those that were killed.
fn logs(judgement: &mut Judgement, ground: &Ground<'_>) {
    let read = |path: &std::path::Path| {
        let bytes = fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let mut lines = Vec::new();
    for path in ground.consumer_logs() {
        let log = read(&path);
        let panics = log.lines().filter(|line| line.contains("panicked"));
        lines.extend(panics.map(|line| format!("{}: {line}", path.display())));
    }
    let log = read(&ground.postgres.log());
    let crashes = log.lines().filter(|line| {
        line.contains("PANIC:")
            || line.contains("TRAP:")
            || line.contains("was terminated by signal") && !line.contains("signal 9:")
    });
    lines.extend(crashes.map(str::to_owned));
    judgement.lines("logs without a panic or a crash", 1, lines);
}
