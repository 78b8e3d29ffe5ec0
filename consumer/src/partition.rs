//! One task a partition: claims it, then applies its records batch by batch, in order.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, watch};
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use crate::config::Errors;
use crate::database::{Database, Ownership};
use crate::health::{Health, State};
use crate::messages::{End, Item, PartitionId, Report, What};
use crate::topics::Topics;

mod applying;
mod insisting;

/// After being fenced: longer than a group takes to tell a process that was stopped for a while
/// that the partition is no longer its own, so that it doesn't take it back.
const FENCED_WAIT: Duration = Duration::from_secs(10);
const RECLAIM_WAIT: Duration = Duration::from_secs(1);
/// Between two looks whether an operator has decided about a stopped partition.
const STOPPED_LOOK: Duration = Duration::from_secs(2);

/// What the partitions of a process share.
#[derive(Clone)]
pub struct Shared {
    /// Where to apply.
    pub database: Database,
    /// What this process calls itself there.
    pub owner: Arc<str>,
    /// What becomes of records that can't be applied.
    pub errors: Errors,
    /// What is known of the topics.
    pub topics: Topics,
    /// Told how they are.
    pub health: Arc<Health>,
    /// Told when a batch is applied.
    pub applied: Arc<Notify>,
    /// True when the process ends.
    pub shutdown: watch::Receiver<bool>,
}

/// A partition's task.
pub struct Partition {
    /// Whose.
    pub id: PartitionId,
    /// Which of its tasks.
    pub generation: u64,
    /// What it has in common with the others.
    pub shared: Shared,
    /// To the polling thread.
    pub reports: mpsc::Sender<Report>,
    /// Bytes that were sent and not yet applied.
    pub load: Arc<AtomicUsize>,
}

/// Why nothing more is applied.
enum Halt {
    /// The task ends.
    End(End),
    /// An operator must decide.
    Stop(String),
}

impl From<End> for Halt {
    fn from(end: End) -> Self {
        Halt::End(end)
    }
}

impl Partition {
    /// Claims after this delay, then applies until it ends.
    pub async fn run(self, inbox: UnboundedReceiver<Item>, delay: Duration) {
        let end = match self.pause(delay).await {
            Some(end) => end,
            None => self.own(inbox).await,
        };
        self.report(What::Ended(end));
    }

    async fn own(&self, mut inbox: UnboundedReceiver<Item>) -> End {
        let topic_id = tokio::select! {
            id = self.shared.topics.id(&self.id.topic) => id,
            () = self.ending() => return End::Shutdown,
        };
        let Shared {
            database, owner, ..
        } = &self.shared;
        // Read before a claim is refused, so that no decision of an operator behind that is overlooked.
        let look = || database.ownership(&self.id);
        let before = match self.insist("ownership", State::Claiming, look).await {
            Ok(before) => before.unwrap_or_default(),
            Err(Halt::End(end)) => return end,
            Err(Halt::Stop(reason)) => return self.stopped(Ownership::default(), &reason).await,
        };
        let call = || database.claim(&self.id, topic_id, owner);
        let claim = match self.insist("claim", State::Claiming, call).await {
            Ok(claim) => claim,
            Err(Halt::End(end)) => return end,
            Err(Halt::Stop(reason)) => return self.stopped(before, &reason).await,
        };
        self.report(What::Claimed(claim.next_offset));
        self.is(State::Running);
        self.shared
            .health
            .applied(&self.id, claim.next_offset, None);
        let halt = tokio::select! {
            halt = self.apply_all(&mut inbox, claim, topic_id) => halt,
            now = self.shared.topics.recreated(&self.id.topic, topic_id) => {
                recreated(topic_id, now)
            }
        };
        drop(inbox);
        match halt {
            Halt::End(end) => end,
            Halt::Stop(reason) => {
                let own = Ownership {
                    epoch: claim.epoch,
                    owner: Some(owner.to_string()),
                };
                self.stopped(own, &reason).await
            }
        }
    }

    /// Stops the partition when this offset is none of the log's; the log's end is one. Else starts
    /// over: the client has given up fetching one of the partitions, and doesn't say which.
    async fn refused(&self, offset: Option<i64>) -> Halt {
        // A re-created topic is the likelier reason, and `own` tells it once the id is known.
        self.shared.topics.id(&self.id.topic).await;
        let range = self.shared.topics.range(&self.id).await;
        match offset.zip(range) {
            Some((offset, (first, end))) if !(first..=end).contains(&offset) => Halt::Stop(
                format!("offset {offset} is outside the log, which has {first} to {end}"),
            ),
            _ => Halt::End(End::Reclaim(RECLAIM_WAIT)),
        }
    }

    /// Says so wherever somebody may look, and waits until an operator has reset the position or somebody else has
    /// claimed the partition.
    async fn stopped(&self, since: Ownership, reason: &str) -> End {
        let PartitionId { topic, partition } = &self.id;
        let database = &self.shared.database;
        error!(
            topic,
            partition,
            "partition stopped: {reason}; nothing of it is applied until an operator decides: \
             deed-consumer reset --group {} --topic {topic} --partition {partition} reads it from its beginning, \
             and with --offset from there",
            database.group()
        );
        self.is(State::Stopped(reason.to_owned()));
        self.report(What::Stopped);
        let stopped = || State::Stopped(reason.to_owned());
        let note = || database.stop(&self.id, since.epoch, reason);
        let mut is_over = match self.insist("stop", stopped(), note).await {
            Ok(is_noted) => !is_noted,
            Err(Halt::End(end)) => return end,
            Err(Halt::Stop(_)) => false,
        };
        loop {
            if !is_over && let Some(end) = self.pause(STOPPED_LOOK).await {
                return end;
            }
            match database.ownership(&self.id).await {
                Ok(now) if now.as_ref() == Some(&since) => is_over = false,
                // A reset leaves the owner's name.
                Ok(now) if now.as_ref().is_none_or(|now| now.owner == since.owner) => {
                    info!(topic, partition, "an operator decided: it is claimed again");
                    return End::Reclaim(Duration::ZERO);
                }
                Ok(_) => {
                    warn!(topic, partition, "another process has claimed it meanwhile");
                    return End::Reclaim(FENCED_WAIT);
                }
                Err(error) => {
                    is_over = false;
                    debug!(topic, partition, %error, "looking for a decision");
                }
            }
        }
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
        let _ = self
            .shared
            .shutdown
            .clone()
            .wait_for(|ending| *ending)
            .await;
    }

    fn is(&self, state: State) {
        self.shared.health.partition(&self.id, state);
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

fn recreated(claimed: Uuid, now: Uuid) -> Halt {
    Halt::Stop(format!(
        "the topic was re-created: its id was {claimed}, and is {now}"
    ))
}
