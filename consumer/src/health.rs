//! What the process knows of itself and of its two neighbours: for its endpoints and metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::messages::PartitionId;
use crate::metrics;

/// Without a step for this long a thread hangs: each wait within one is far shorter.
const HANGS: Duration = Duration::from_secs(60);

/// Shared by all threads.
#[derive(Default)]
pub struct Health {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// What went wrong last with each, until it goes right.
    neighbours: BTreeMap<&'static str, Result<(), String>>,
    /// The last step of each loop that runs.
    loops: BTreeMap<&'static str, Instant>,
    partitions: BTreeMap<PartitionId, Partition>,
    /// Those that are to be read and do not exist.
    missing: BTreeSet<String>,
    has_started: bool,
}

/// One that the group gave to this process.
#[derive(Clone, Debug)]
pub struct Partition {
    /// How it is.
    pub state: State,
    /// The next offset to apply; none is the log's beginning.
    pub next_offset: Option<i64>,
    /// How it is since then.
    pub since: Timestamp,
    /// Kafka's time of the first record that is being applied; none while none is.
    pub taken: Option<Timestamp>,
    /// Since when there are records that are not applied, as far as somebody looked: since then, or Kafka's time of the last
    /// one that was applied meanwhile.
    behind: Option<Timestamp>,
}

/// How a partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Postgres has not given it yet.
    Claiming,
    /// Its records are applied as they come.
    Running,
    /// A call to Postgres is being repeated, because of this.
    Waiting(String),
    /// Nothing is applied until an operator decides, because of this.
    Stopped(String),
}

impl State {
    /// Every state's word.
    pub const WORDS: [&str; 4] = ["claiming", "running", "waiting", "stopped"];

    /// The word in metrics.
    pub fn word(&self) -> &'static str {
        match self {
            State::Claiming => "claiming",
            State::Running => "running",
            State::Waiting(_) => "waiting",
            State::Stopped(_) => "stopped",
        }
    }
}

/// One line of an answer.
struct Check {
    name: String,
    /// None is a warning.
    passes: Option<bool>,
    says: String,
}

impl Health {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A loop of this name has taken a step.
    pub fn step(&self, of: &'static str) {
        self.inner().loops.insert(of, Instant::now());
    }

    /// Whether this neighbour did what it was asked.
    pub fn heard(&self, of: &'static str, answer: Result<(), String>) {
        let mut inner = self.inner();
        inner.neighbours.insert(of, answer);
        let is_ready = inner.neighbours.values().all(Result::is_ok);
        inner.has_started |= is_ready;
        metrics::ready(is_ready);
    }

    /// Whether a topic that is to be read exists.
    pub fn topic(&self, name: &str, exists: bool) {
        let mut inner = self.inner();
        match exists {
            true => inner.missing.remove(name),
            false => inner.missing.insert(name.to_owned()),
        };
        metrics::topic_missing(name, !exists);
    }

    /// The group gave this partition.
    pub fn begin(&self, id: &PartitionId) {
        let partition = Partition {
            state: State::Claiming,
            next_offset: None,
            since: Timestamp::now(),
            taken: None,
            behind: None,
        };
        let mut inner = self.inner();
        metrics::partition_state(id, Some(&partition.state));
        inner.partitions.insert(id.clone(), partition);
    }

    /// The partition is in this state now. One that was taken away meanwhile is in none.
    pub fn partition(&self, id: &PartitionId, state: State) {
        if let Some(partition) = self.inner().partitions.get_mut(id) {
            metrics::partition_state(id, Some(&state));
            if partition.state.word() != state.word() {
                partition.since = Timestamp::now();
            }
            partition.state = state;
        }
    }

    /// So many records of the partition are not applied.
    pub fn behind(&self, id: &PartitionId, records: i64) {
        let mut inner = self.inner();
        let Some(partition) = inner.partitions.get_mut(id) else {
            return;
        };
        let now = Timestamp::now();
        partition.behind = match records {
            0 => None,
            _ => partition.behind.or(Some(now)),
        };
        // Nobody knows when the first of them came before it is fetched.
        let waits = partition.behind.and(partition.taken.or(partition.behind));
        let age = waits.map(|since| now.duration_since(since).as_secs_f64());
        metrics::lag(id, records, age.unwrap_or_default().max(0.0));
    }

    /// Records are being applied, the first of them from then.
    pub fn taken(&self, id: &PartitionId, at: Option<Timestamp>) {
        if let Some(partition) = self.inner().partitions.get_mut(id) {
            partition.taken = at;
        }
    }

    /// Everything below this offset is applied, the last record of which is from then.
    pub fn applied(&self, id: &PartitionId, next_offset: Option<i64>, last: Option<Timestamp>) {
        if let Some(partition) = self.inner().partitions.get_mut(id) {
            partition.next_offset = next_offset;
            partition.taken = None;
            partition.behind = partition.behind.and(last);
            metrics::next_offset(id, next_offset.unwrap_or_default());
        }
    }

    /// The group took it away.
    pub fn gone(&self, id: &PartitionId) {
        // Under the lock, as all that is told of partitions: else what comes late would be the last word.
        let mut inner = self.inner();
        inner.partitions.remove(id);
        metrics::partition_state(id, None);
    }

    /// Those of this process.
    pub fn partitions(&self) -> BTreeMap<PartitionId, Partition> {
        self.inner().partitions.clone()
    }

    /// Whether the process moves; with a line for each of its loops.
    pub fn live(&self) -> (bool, String) {
        let inner = self.inner();
        let checks = inner.loops.iter().map(|(name, last)| Check {
            name: (*name).to_owned(),
            passes: Some(last.elapsed() < HANGS),
            says: format!("last step {:.0} s ago", last.elapsed().as_secs_f64()),
        });
        answer(checks.collect())
    }

    /// Whether it can do its work; with a line for each neighbour, each topic that is missing and each partition.
    pub fn ready(&self) -> (bool, String) {
        let inner = self.inner();
        let neighbours = inner.neighbours.iter().map(|(name, heard)| Check {
            name: (*name).to_owned(),
            passes: Some(heard.is_ok()),
            says: heard.as_ref().err().cloned().unwrap_or("ok".into()),
        });
        let partitions = inner.partitions.iter().map(|(id, partition)| Check {
            name: format!("partition {id}"),
            // The others go on: whoever sends work elsewhere because of it would help nobody.
            passes: (partition.state == State::Running).then_some(true),
            says: match &partition.state {
                State::Running => {
                    let next = partition.next_offset;
                    let next = next.map_or("the beginning".to_owned(), |next| next.to_string());
                    format!("running, next offset {next}")
                }
                State::Claiming => "claiming".to_owned(),
                State::Waiting(why) => format!("waiting: {why}"),
                State::Stopped(why) => format!("stopped: {why}"),
            },
        });
        let missing = inner.missing.iter().map(|name| Check {
            name: format!("topic {name}"),
            passes: None,
            says: "does not exist: it is read from the moment that it does".to_owned(),
        });
        answer(neighbours.chain(missing).chain(partitions).collect())
    }

    /// Whether it was ever ready.
    pub fn started(&self) -> (bool, String) {
        let has_started = self.inner().has_started;
        match has_started {
            true => (true, "started\n".to_owned()),
            false => self.ready(),
        }
    }
}

/// The lines as Kubernetes' own components write them: `[+]` passes, `[-]` fails, `[!]` warns.
fn answer(checks: Vec<Check>) -> (bool, String) {
    let passes = !checks.is_empty() && checks.iter().all(|check| check.passes != Some(false));
    let mut text = String::new();
    for Check { name, passes, says } in checks {
        let sign = match passes {
            Some(true) => '+',
            Some(false) => '-',
            None => '!',
        };
        // Writing to a String can't fail.
        let _ = writeln!(text, "[{sign}] {name}: {says}");
    }
    let _ = writeln!(text, "{}", if passes { "passed" } else { "failed" });
    (passes, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_is_as_old_as_what_was_applied_last() {
        let health = Health::default();
        let id = PartitionId {
            topic: "documents".to_owned(),
            partition: 0,
        };
        let behind = || health.partitions()[&id].behind;
        let long_ago = Timestamp::from_second(1).expect("a time");
        health.begin(&id);
        health.applied(&id, Some(10), Some(long_ago));
        assert_eq!(behind(), None, "nobody has seen a backlog");
        health.behind(&id, 5);
        assert!(behind().is_some_and(|since| since > long_ago));
        health.applied(&id, Some(12), Some(long_ago));
        health.behind(&id, 3);
        assert_eq!(behind(), Some(long_ago), "there was a backlog all along");
        health.behind(&id, 0);
        assert_eq!(behind(), None);
    }
}
