//! The records of a partition, on their way into Postgres.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::{FENCED_WAIT, Halt, Partition, recreated};
use crate::batch::Batch;
use crate::database::{CallError, Claim, Count, Policy};
use crate::health::State;
use crate::messages::{End, Item, What};
use crate::metrics;
use crate::verdict::Verdict;

/// Between two looks whether a partition without records is still this process' own.
const OWNED_LOOK: Duration = Duration::from_secs(5);
/// Before a single record that Postgres refuses is taken for the reason: a defect may pass.
const SECOND_TRY: Duration = Duration::from_millis(500);

impl Partition {
    /// Applies what comes, until it can't go on.
    pub(super) async fn apply_all(
        &self,
        inbox: &mut UnboundedReceiver<Item>,
        claim: Claim,
        topic_id: Uuid,
    ) -> Halt {
        let mut position = claim.next_offset;
        let mut held_back = None;
        loop {
            let item = match held_back.take() {
                Some(item) => Some(item),
                None => tokio::select! {
                    biased;
                    () = self.ending() => None,
                    item = inbox.recv() => item,
                    () = self.no_longer_owned(claim) => return End::Reclaim(FENCED_WAIT).into(),
                },
            };
            let mut batch = match item {
                None => return End::Shutdown.into(),
                Some(Item::Record(record)) => Batch::new(record),
                Some(Item::Passed(offset)) => Batch::passing(offset),
                Some(Item::Refused(offset)) => {
                    return tokio::select! {
                        halt = self.refused(offset) => halt,
                        () = self.ending() => End::Shutdown.into(),
                    };
                }
            };
            while !batch.is_full() {
                match inbox.try_recv() {
                    Ok(Item::Record(record)) => batch.push(record),
                    Ok(Item::Passed(offset)) => batch.pass(offset),
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
                () = self.ending() => return End::Shutdown.into(),
                other = self.shared.topics.other_than(&self.id.topic, topic_id) => other,
            };
            if let Some(now) = other {
                return recreated(topic_id, now);
            }
            if let Err(halt) = self.apply(claim, &mut position, batch).await {
                return halt;
            }
        }
    }

    /// Returns once somebody else has claimed the partition, or an operator has reset it. A batch would be refused then, but where
    /// no record comes there is none.
    async fn no_longer_owned(&self, claim: Claim) {
        loop {
            tokio::time::sleep(OWNED_LOOK).await;
            match self.shared.database.ownership(&self.id).await {
                Ok(Some(now)) if now.epoch == claim.epoch => {}
                Ok(_) => {
                    info!(of = %self.id, "claimed by another process, or reset: it is claimed again in {FENCED_WAIT:?}");
                    return;
                }
                Err(error) => debug!(of = %self.id, %error, "looking for an owner"),
            }
        }
    }

    /// Applies a batch: whole, or in halves and their halves where Postgres refuses something about its records,
    /// until the one is found that is the reason.
    async fn apply(
        &self,
        claim: Claim,
        position: &mut Option<i64>,
        batch: Batch,
    ) -> Result<(), Halt> {
        // The next one last.
        let mut batches = vec![batch];
        while let Some(batch) = batches.pop() {
            let refused = match self.offer(claim, *position, &batch).await? {
                Ok(()) => {
                    *position = Some(batch.next_offset());
                    continue;
                }
                Err(refused) => refused,
            };
            match batch.halves() {
                Ok((earlier, later)) => batches.extend([later, earlier]),
                Err(one) => {
                    self.apply_alone(claim, *position, &one, &refused).await?;
                    *position = Some(one.next_offset());
                }
            }
        }
        Ok(())
    }

    /// One record that Postgres has refused.
    async fn apply_alone(
        &self,
        claim: Claim,
        position: Option<i64>,
        record: &Batch,
        refused: &CallError,
    ) -> Result<(), Halt> {
        let refused = match refused.code() {
            // What can't be read stays so.
            Some("PD014") => refused.refusal(),
            _ => {
                if let Some(end) = self.pause(SECOND_TRY).await {
                    return Err(end.into());
                }
                match self.offer(claim, position, record).await? {
                    Ok(()) => return Ok(()),
                    Err(refused) => refused.refusal(),
                }
            }
        };
        if !self.shared.errors.tolerant {
            return Err(Halt::Stop(format!(
                "a record can't be applied, and errors.tolerance is none: {refused}; --offset {} passes over it",
                record.next_offset()
            )));
        }
        let reason = format!("Postgres refused it: {refused}");
        let call = || self.call(claim, position, record, Some(&reason));
        let began = Instant::now();
        let counts = self.insist("quarantine", State::Running, call).await?;
        self.applied(record, began, &counts);
        Ok(())
    }

    /// What Postgres refuses about the records is an answer, if there are some.
    async fn offer(
        &self,
        claim: Claim,
        position: Option<i64>,
        batch: &Batch,
    ) -> Result<Result<(), CallError>, Halt> {
        let began = Instant::now();
        self.shared.health.taken(&self.id, batch.timestamp());
        let call = || async {
            match self.call(claim, position, batch, None).await {
                Err(error) if error.verdict() == Verdict::Divide && batch.len() > 0 => {
                    Ok(Err(error))
                }
                answer => answer.map(Ok),
            }
        };
        let answer = self.insist("apply", State::Running, call).await?;
        Ok(answer.map(|counts| self.applied(batch, began, &counts)))
    }

    async fn call(
        &self,
        claim: Claim,
        position: Option<i64>,
        batch: &Batch,
        refused_for: Option<&str>,
    ) -> Result<Vec<Count>, CallError> {
        let errors = &self.shared.errors;
        let policy = Policy {
            tolerant: errors.tolerant,
            dead_letters: errors.dead_letters.as_deref(),
            refused_for,
        };
        let database = &self.shared.database;
        database
            .apply_batch(&self.id, claim.epoch, position, batch, policy)
            .await
    }

    fn applied(&self, batch: &Batch, began: Instant, counts: &[Count]) {
        let next = batch.next_offset();
        debug!(of = %self.id, records = batch.len(), next, "applied");
        metrics::batch(batch.len(), began.elapsed(), counts);
        #[cfg(feature = "otel")]
        crate::traces::applied(
            &self.id,
            self.shared.database.group(),
            batch,
            began.elapsed(),
        );
        let rejected: i64 = counts
            .iter()
            .filter(|count| count.outcome == "rejected")
            .map(|count| count.events)
            .sum();
        if rejected > 0 {
            warn!(
                of = %self.id, rejected,
                "records quarantined: deed-consumer quarantine list says why"
            );
        }
        let last = batch.last_timestamp();
        self.shared.health.applied(&self.id, Some(next), last);
        self.shared.applied.notify_one();
        self.load.fetch_sub(batch.weight(), Ordering::Relaxed);
        self.report(What::Applied(next));
    }
}
