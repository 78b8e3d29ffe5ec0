//! The partitions that the group gave to this process. Used on the polling thread alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, RebalanceProtocol};
use rdkafka::error::KafkaResult;
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::runtime::Handle;
use tokio::sync::mpsc as async_mpsc;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tracing::{debug, error, info, warn};

use crate::batch::Record;
use crate::messages::{End, Item, PartitionId, Report, What};
use crate::metrics;
use crate::partition::{Partition, Shared};
use crate::partition_list::{ids, one};
use crate::rebalance::Context;

/// A partition with this much waiting to be applied is paused in Kafka, and goes on with half of it ...
const FULL: usize = 8 << 20;
/// ... or with its share of this, which all partitions of the process have together.
const ALL_FULL: usize = 32 << 20;
/// How long a rebalance waits for the claims: far below any session's timeout.
const CLAIM_WAIT: Duration = Duration::from_secs(5);
/// Between two looks for offsets that are no records.
const LOOK: Duration = Duration::from_secs(1);
/// After Kafka's client refused an assignment.
const REFUSED_WAIT: Duration = Duration::from_secs(2);

mod fetching;
mod passing;

type Client = BaseConsumer<Context>;

/// The partitions, each with its task.
pub struct Assignment {
    runtime: Handle,
    shared: Shared,
    looked: Instant,
    reports: mpsc::Receiver<Report>,
    report: mpsc::Sender<Report>,
    generation: u64,
    held: HashMap<PartitionId, Held>,
}

struct Held {
    generation: u64,
    inbox: UnboundedSender<Item>,
    load: Arc<AtomicUsize>,
    task: JoinHandle<()>,
    /// The next record wanted; none while the client doesn't fetch, for want of a claim.
    next: Option<Offset>,
    /// What the client said to have fetched when it was told to begin: of the time before, and of no use.
    stale: Option<i64>,
    paused: bool,
}

/// A batch on its way then meets the new owner's epoch, or comes before it.
impl Drop for Held {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Assignment {
    /// Nothing yet.
    pub fn new(runtime: Handle, shared: Shared) -> Self {
        let (report, reports) = mpsc::channel();
        Assignment {
            runtime,
            shared,
            looked: Instant::now(),
            reports,
            report,
            generation: 0,
            held: HashMap::new(),
        }
    }

    /// The group gave these partitions: claims them, and waits a bounded time for Postgres. Those
    /// that it does not give in time follow from [`settle`](Self::settle).
    pub fn assigned(&mut self, client: &Client, list: &TopicPartitionList) {
        metrics::rebalance();
        self.shared.health.heard("group", Ok(()));
        let mut waiting = ids(list);
        for id in &waiting {
            self.start(id.clone(), Duration::ZERO);
        }
        let deadline = Instant::now() + CLAIM_WAIT;
        let mut claimed = Vec::new();
        let mut later = Vec::new();
        while !waiting.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(report) = self.reports.recv_timeout(left) else {
                break;
            };
            if let Some(at) = waiting.iter().position(|id| *id == report.of)
                && self.current(&report).is_some()
            {
                let id = waiting.swap_remove(at);
                if let What::Claimed(next) = report.what {
                    claimed.push((id, next));
                    continue;
                }
            }
            later.push(report);
        }
        if !waiting.is_empty() {
            warn!(
                partitions = waiting.len(),
                "not claimed in time: they follow"
            );
        }
        self.fetch(client, claimed);
        for report in later {
            self.take(client, report);
        }
    }

    /// The group took these partitions, or lost track of this process.
    pub fn revoked(&mut self, client: &Client, list: &TopicPartitionList) {
        metrics::rebalance();
        let mut fetched = TopicPartitionList::new();
        for id in ids(list) {
            if self
                .held
                .remove(&id)
                .is_some_and(|held| held.next.is_some())
            {
                fetched.add_partition(&id.topic, id.partition);
            }
            self.shared.health.gone(&id);
            info!(of = %id, lost = client.assignment_lost(), "partition revoked");
        }
        let done = match client.rebalance_protocol() {
            RebalanceProtocol::Cooperative => client.incremental_unassign(&fetched),
            _ => client.unassign(),
        };
        if let Err(error) = done {
            error!(%error, "unassigning");
        }
    }

    /// Hands a record to its partition.
    pub fn deliver(&mut self, client: &Client, message: &impl Message) {
        let id = PartitionId {
            topic: message.topic().to_owned(),
            partition: message.partition(),
        };
        let partitions = self.held.len();
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        match held.next {
            Some(Offset::Offset(next)) if message.offset() < next => return,
            Some(_) => held.next = Some(Offset::Offset(message.offset() + 1)),
            None => return,
        }
        let record = Record::copy(message);
        let weight = record.weight();
        let load = held.load.fetch_add(weight, Ordering::Relaxed) + weight;
        // Its task has ended: the report says what is next.
        let _ = held.inbox.send(Item::Record(record));
        if load >= full(partitions) && !held.paused {
            held.paused = true;
            told(client.pause(&one(&id)), "pausing");
        }
    }

    /// Does what the partitions' tasks reported, and wakes the drained ones.
    pub fn settle(&mut self, client: &Client) {
        while let Ok(report) = self.reports.try_recv() {
            self.take(client, report);
        }
        let drained = full(self.held.len()) / 2;
        for (id, held) in &mut self.held {
            if held.paused && held.load.load(Ordering::Relaxed) <= drained {
                held.paused = false;
                told(client.resume(&one(id)), "resuming");
            }
        }
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.pass(client);
        }
    }

    /// Whether a partition waits to be resumed.
    pub fn any_paused(&self) -> bool {
        self.held.values().any(|held| held.paused)
    }

    /// Kafka refused the offset of one of the partitions, without saying of which.
    pub fn refused(&mut self, client: &Client) {
        self.shared.topics.look();
        let positions = client.position().unwrap_or_default();
        for (id, held) in &self.held {
            let fetched = positions
                .find_partition(&id.topic, id.partition)
                .map(|found| found.offset())
                .filter(|offset| matches!(offset, Offset::Offset(at) if held.stale != Some(*at)));
            let offset = match fetched.or(held.next) {
                Some(Offset::Offset(offset)) => Some(offset),
                Some(_) => None,
                // Not fetched at all.
                None => continue,
            };
            let _ = held.inbox.send(Item::Refused(offset));
        }
    }

    /// A topic is unknown to the broker.
    pub fn look(&self) {
        self.shared.topics.look();
    }

    /// Waits for the statements under way, and for no others: the tasks were told to end.
    pub fn finish(&mut self, client: &Client, at_most: Duration) {
        let tasks = self
            .held
            .values_mut()
            .map(|held| &mut held.task)
            .collect::<Vec<_>>();
        let all = async {
            for task in tasks {
                let _ = task.await;
            }
        };
        let done = self
            .runtime
            .block_on(async { tokio::time::timeout(at_most, all).await });
        if done.is_err() {
            warn!("statements under way are abandoned: Postgres decides, and holds the position");
        }
        self.settle(client);
    }

    fn start(&mut self, id: PartitionId, delay: Duration) {
        self.generation += 1;
        let (inbox, items) = async_mpsc::unbounded_channel();
        let load = Arc::new(AtomicUsize::new(0));
        let partition = Partition {
            id: id.clone(),
            generation: self.generation,
            shared: self.shared.clone(),
            reports: self.report.clone(),
            load: load.clone(),
        };
        self.shared.health.begin(&id);
        let task = self.runtime.spawn(partition.run(items, delay));
        let generation = self.generation;
        self.held.insert(
            id,
            Held {
                generation,
                inbox,
                load,
                task,
                next: None,
                stale: None,
                paused: false,
            },
        );
    }

    fn current(&self, report: &Report) -> Option<&Held> {
        self.held
            .get(&report.of)
            .filter(|held| held.generation == report.generation)
    }

    fn take(&mut self, client: &Client, report: Report) {
        if self.current(&report).is_none() {
            return;
        }
        let id = report.of;
        match report.what {
            What::Delayed | What::Ended(End::Shutdown) => {}
            What::Claimed(next) => self.fetch(client, vec![(id, next)]),
            What::Applied(next) => {
                // Its argument is the last record's; a group that has just taken the partition
                // away doesn't want it.
                if let Err(error) = client.store_offset(&id.topic, id.partition, next - 1) {
                    debug!(of = %id, %error, "Kafka is not told the position");
                }
            }
            What::Stopped => self.stop_fetching(client, &id),
            What::Ended(End::Reclaim(delay)) => {
                self.stop_fetching(client, &id);
                self.start(id, delay);
            }
        }
    }
}

/// What each of so many partitions may have waiting.
fn full(partitions: usize) -> usize {
    FULL.min(ALL_FULL / partitions.max(1))
}

fn told(done: KafkaResult<()>, doing: &str) {
    if let Err(error) = done {
        error!(%error, "Kafka's client: {doing}");
    }
}
