//! What a run prints at its end.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::judgement::Judgement;
use super::schedule::{Fault, Kind};

/// All of a run.
#[derive(Debug)]
pub struct Report {
    pub(super) seed: u64,
    pub(super) schedule: Vec<Fault>,
    /// Kinds that can't happen here, with the reason.
    pub(super) left_out: Vec<(Kind, String)>,
    pub(super) counts: BTreeMap<Kind, usize>,
    pub(super) sent: usize,
    pub(super) applied: i64,
    /// How often consumers ended, by how.
    pub(super) ends: BTreeMap<String, usize>,
    /// Errors in Postgres' log by SQLSTATE.
    pub(super) errors: BTreeMap<String, usize>,
    pub(super) standstill: (Duration, String),
    /// None when the run didn't come that far.
    pub(super) judgement: Option<Judgement>,
    pub(super) troubles: Vec<String>,
    pub(super) logs: PathBuf,
    pub(super) took: Duration,
}

impl Report {
    /// What is wrong, a line each.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = self.troubles.clone();
        let is_left_out = |kind: &Kind| self.left_out.iter().any(|(left_out, _)| left_out == kind);
        let never = Kind::ALL
            .into_iter()
            .filter(|kind| !self.counts.contains_key(kind) && !is_left_out(kind));
        failures.extend(never.map(|kind| format!("never happened: {}", kind.name())));
        match &self.judgement {
            Some(judgement) => failures.extend(judgement.differences.clone()),
            None => failures.push("nothing was compared".to_owned()),
        }
        failures
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nchaos: seed {}, {:.0?}", self.seed, self.took)?;
        let failures = self.failures();
        if !failures.is_empty() {
            writeln!(f, "  schedule:")?;
            self.schedule
                .iter()
                .try_for_each(|fault| writeln!(f, "  {fault}"))?;
        }
        writeln!(f, "  faults: {}", self.counts.values().sum::<usize>())?;
        for (kind, count) in &self.counts {
            writeln!(f, "    {count:4}  {}", kind.name())?;
        }
        for (kind, why) in &self.left_out {
            writeln!(f, "  LEFT OUT: {}: {why}", kind.name())?;
        }
        let told = self
            .judgement
            .as_ref()
            .map_or((0, 0, 0), |j| (j.quarantined, j.told, j.again));
        let (quarantined, out, again) = told;
        writeln!(
            f,
            "  events sent {}, applied {}, quarantined {quarantined}",
            self.sent, self.applied
        )?;
        writeln!(f, "  events out {out}, and {again} of them again")?;
        writeln!(f, "  consumers: {}", listed(&self.ends))?;
        writeln!(
            f,
            "  errors in Postgres' log by SQLSTATE: {}",
            listed(&self.errors)
        )?;
        let (still, behind) = &self.standstill;
        writeln!(
            f,
            "  longest standstill of a partition while nothing was broken: {still:.1?}, behind: {}",
            match behind.trim() {
                "" => "the start",
                behind => behind,
            }
        )?;
        let equal = self.judgement.iter().flat_map(|judgement| &judgement.equal);
        equal
            .into_iter()
            .try_for_each(|line| writeln!(f, "  equal: {line}"))?;
        let differences = self.judgement.as_ref().map(|judgement| judgement.found);
        let differences = differences.map_or("not compared".to_owned(), |found| found.to_string());
        writeln!(f, "  differences: {differences}")?;
        failures
            .iter()
            .try_for_each(|line| writeln!(f, "  FAILED: {line}"))?;
        if !failures.is_empty() {
            writeln!(
                f,
                "  logs: {}; again: DEED_SEED={}",
                self.logs.display(),
                self.seed
            )?;
        }
        Ok(())
    }
}

fn listed(counts: &BTreeMap<String, usize>) -> String {
    let each = counts.iter().map(|(what, count)| format!("{what} {count}"));
    each.collect::<Vec<_>>().join(", ")
}
