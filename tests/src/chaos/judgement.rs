//! What must hold behind the faults: nothing missing, nothing twice, tables and events as the reference has them.
//!
//! There are two references. The model recomputes each register from the events alone and shares no code with the
//! product; a calm run applies the same records, in other batches, to another database, and so also has what the
//! model does not: quarantine and derived tables, to the row.

use std::fmt::Debug;
use std::fs;

use deed_model::model::{self, Model};
use postgres::Client;

use super::dead_letters;
use super::events_out;
use super::ground::Ground;
use super::load::Load;
use crate::arrivals;
use crate::snapshot::Snapshot;
use crate::stage::OUTBOUND;
use crate::{audit, derived, reference, registers};

/// Of one comparison not more are shown.
const SHOWN: usize = 5;

/// What was compared, and where it differs.
#[derive(Debug, Default)]
pub struct Judgement {
    /// What was compared and found equal, a line each.
    pub equal: Vec<String>,
    /// How many differences there are.
    pub found: usize,
    /// The first of each comparison, a line each.
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
        self.found += lines.len();
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
            false => self.differ(
                what,
                vec![format!("found {found:?}, expected {expected:?}")],
            ),
        }
    }

    /// Notes that these differ, or that all of so many are equal.
    pub fn lines(&mut self, what: &str, size: usize, lines: Vec<String>) {
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
        Ok(arrived) => events_out::judge(&mut judgement, &mut client, load, &model, &arrived),
        Err(difference) => judgement.differ("events out", vec![difference]),
    }
    let letters = ground.kafka.read(dead_letters::TOPIC)?;
    dead_letters::judge(&mut judgement, load, &letters);
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
