//! One task a partition: claims it, then applies its records batch by batch, in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, watch};
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use crate::batch::Batch;
use crate::database::{CallError, Claim, Database};
use crate::log_limit::LogLimit;
use crate::messages::{End, Item, PartitionId, Report, What};
use crate::topics::Topics;
use crate::verdict::{Verdict, advice};

/// After being fenced: longer than a group takes to tell a process that was stopped for a while
/// that the partition is no longer its own, so that it doesn't take it back.
const FENCED_WAIT: Duration = Duration::from_secs(10);
const RECLAIM_WAIT: Duration = Duration::from_secs(1);

/// A partition's task.
pub struct Partition {
    /// Whose.
    pub id: PartitionId,
    /// Which of its tasks.
    pub generation: u64,
    /// Where to apply.
    pub database: Database,
    /// What is known of its topic.
    pub topics: Topics,
    /// To the polling thread.
    pub reports: mpsc::Sender<Report>,
    /// Bytes that were sent and not yet applied.
    pub load: Arc<AtomicUsize>,
    /// Told when a batch is applied.
    pub applied: Arc<Notify>,
    /// True when the process ends.
    pub shutdown: watch::Receiver<bool>,
}

impl Partition {
    /// Claims after this delay, then applies until it ends.
    pub async fn run(self, mut inbox: UnboundedReceiver<Item>, delay: Duration) {
        let end = match self.pause(delay).await {
            Some(end) => end,
            None => self.own(&mut inbox).await,
        };
        self.report(What::Ended(end));
    }

    async fn own(&self, inbox: &mut UnboundedReceiver<Item>) -> End {
        let topic_id = tokio::select! {
            id = self.topics.id(&self.id.topic) => id,
            () = self.ending() => return End::Shutdown,
        };
        let call = || self.database.claim(&self.id, topic_id);
        let claim = match self.insist("claim", call).await {
            Ok(claim) => claim,
            Err(end) => return end,
        };
        self.report(What::Claimed(claim.next_offset));
        tokio::select! {
            end = self.apply_all(inbox, claim, topic_id) => end,
            now = self.topics.recreated(&self.id.topic, topic_id) => self.recreated(topic_id, now),
        }
    }

    async fn apply_all(
        &self,
        inbox: &mut UnboundedReceiver<Item>,
        claim: Claim,
        topic_id: Uuid,
    ) -> End {
        let mut position = claim.next_offset;
        let mut held_back = None;
        loop {
            let item = match held_back.take() {
                Some(item) => Some(item),
                None => tokio::select! {
                    biased;
                    () = self.ending() => None,
                    item = inbox.recv() => item,
                },
            };
            let first = match item {
                None => return End::Shutdown,
                Some(Item::Record(record)) => record,
                Some(Item::Refused(offset)) => {
                    return tokio::select! {
                        end = self.refused(offset) => end,
                        () = self.ending() => End::Shutdown,
                    };
                }
            };
            let mut batch = Batch::new(first);
            while !batch.is_full() {
                match inbox.try_recv() {
                    Ok(Item::Record(record)) => batch.push(record),
                    Ok(item) => {
                        held_back = Some(item);
                        break;
                    }
                    Err(_) => break,
                }
            }
            // Else the records of a topic that was made again, with a log that is longer already,
            // would be applied as the old one's until somebody looks.
            let other = tokio::select! {
                biased;
                () = self.ending() => return End::Shutdown,
                other = self.topics.other_than(&self.id.topic, topic_id) => other,
            };
            if let Some(now) = other {
                return self.recreated(topic_id, now);
            }
            let call = || {
                self.database
                    .apply_batch(&self.id, claim.epoch, position, &batch)
            };
            match self.insist("apply", call).await {
                Ok(0) => {}
                Ok(rejected) => warn!(
                    of = %self.id, rejected,
                    "records quarantined: SELECT id, reason FROM deed.quarantine"
                ),
                Err(end) => return end,
            }
            debug!(of = %self.id, records = batch.len(), next = batch.next_offset(), "applied");
            self.applied.notify_one();
            position = Some(batch.next_offset());
            self.load.fetch_sub(batch.weight(), Ordering::Relaxed);
            self.report(What::Applied(batch.next_offset()));
        }
    }

    /// Repeats the call until it succeeds, or Postgres says that it never will. A call under way
    /// is never cut off here, so the process can end between two of them.
    async fn insist<T, F>(&self, name: &str, call: impl Fn() -> F) -> Result<T, End>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let endless = ExponentialBuilder::default()
            .with_jitter()
            .without_max_times();
        let mut soon = endless
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(2))
            .build();
        let mut seldom = endless
            .with_min_delay(Duration::from_secs(1))
            .with_max_delay(Duration::from_secs(10))
            .build();
        let mut limit = LogLimit::default();
        let mut failed = false;
        loop {
            let error = match call().await {
                Ok(answer) => {
                    if failed {
                        info!(of = %self.id, "Postgres answers again: {name} succeeded");
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            if !failed {
                failed = true;
                self.report(What::Delayed);
            }
            let of = &self.id;
            let code = error.code();
            let delay = match error.verdict() {
                Verdict::Retry => {
                    if limit.passes() {
                        warn!(%of, code, "{name} will be repeated until Postgres answers: {error}");
                    }
                    soon.next()
                }
                Verdict::Park => {
                    if limit.passes() {
                        let advice = advice(code);
                        error!(%of, code, "{name} is refused, and repeated now and then: {error}; {advice}");
                    }
                    seldom.next()
                }
                Verdict::Fenced => {
                    warn!(%of, code, "fenced, and claimed again in {FENCED_WAIT:?}: {error}");
                    return Err(End::Reclaim(FENCED_WAIT));
                }
                Verdict::Reclaim => {
                    warn!(%of, code, "starting over from the position in Postgres: {error}");
                    return Err(End::Reclaim(RECLAIM_WAIT));
                }
                Verdict::Recreated => return Err(self.stop(&error.to_string())),
            };
            if let Some(end) = self.pause(delay.unwrap_or(FENCED_WAIT)).await {
                return Err(end);
            }
        }
    }

    /// Stops the partition when this offset is none of the log's; the log's end is one. Else starts
    /// over: the client has given up fetching one of the partitions, and doesn't say which.
    async fn refused(&self, offset: Option<i64>) -> End {
        // A re-created topic is the likelier reason, and `own` tells it once the id is known.
        self.topics.id(&self.id.topic).await;
        let range = self.topics.range(&self.id).await;
        match offset.zip(range) {
            Some((offset, (first, end))) if !(first..=end).contains(&offset) => self.stop(
                &format!("offset {offset} is outside the log, which has {first} to {end}"),
            ),
            _ => End::Reclaim(RECLAIM_WAIT),
        }
    }

    fn recreated(&self, claimed: Uuid, now: Uuid) -> End {
        self.stop(&format!(
            "the topic was re-created: its id was {claimed}, and is {now}"
        ))
    }

    fn stop(&self, reason: &str) -> End {
        let PartitionId { topic, partition } = &self.id;
        let group = self.database.group();
        error!(
            topic,
            partition,
            "partition stopped: {reason}; nothing of it is applied until an operator runs \
             SELECT deed.reset_position('{group}', '{topic}', {partition}) \
             and restarts this consumer, which then reads it from its beginning"
        );
        End::Stopped
    }

    /// Waits; says so when the process ends meanwhile.
    async fn pause(&self, delay: Duration) -> Option<End> {
        tokio::select! {
            biased;
            () = self.ending() => Some(End::Shutdown),
            () = tokio::time::sleep(delay) => None,
        }
    }

    async fn ending(&self) {
        // An error is the sender gone: the process ends.
        let _ = self.shutdown.clone().wait_for(|ending| *ending).await;
    }

    fn report(&self, what: What) {
        let report = Report {
            of: self.id.clone(),
            generation: self.generation,
            what,
        };
        // Nobody listens any more when the process ends.
        let _ = self.reports.send(report);
    }
}
