//! The calls of the partitions.

use uuid::Uuid;

use super::{Call, CallError, Database};
use crate::batch::Batch;
use crate::messages::PartitionId;

const CLAIM: Call = Call {
    name: "claim",
    sql: "SELECT epoch, next_offset FROM deed.claim($1, $2, $3, $4, $5)",
};
const APPLY_BATCH: Call = Call {
    name: "apply_batch",
    sql: "SELECT type, outcome::text, events \
          FROM deed.apply_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
};
const STOP: Call = Call {
    name: "stop_partition",
    sql: "SELECT deed.stop_partition($1, $2, $3, $4, $5)",
};
const OWNERSHIP: Call = Call {
    name: "ownership",
    sql: "SELECT epoch, owner FROM deed.stream_position \
          WHERE consumer_group = $1 AND topic = $2 AND partition = $3",
};

/// A partition that this process owns, until another claims it.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Names this ownership.
    pub epoch: i64,
    /// The first offset that is not yet applied; none is the log's beginning.
    pub next_offset: Option<i64>,
}

/// Who has a partition.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ownership {
    /// Counts claims and resets; 0 before the first.
    pub epoch: i64,
    /// What the process calls itself that claimed it last.
    pub owner: Option<String>,
}

/// What becomes of records that can't be read.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Whether they are quarantined and the rest goes on.
    pub tolerant: bool,
    /// The topic that they go to as well.
    pub dead_letters: Option<&'a str>,
    /// Why all of the batch goes there.
    pub refused_for: Option<&'a str>,
}

/// How many events of a type had an outcome.
#[derive(Debug)]
pub struct Count {
    /// The event type; none where it could not be read.
    pub kind: Option<String>,
    /// The word of `deed.apply_outcome`.
    pub outcome: String,
    /// How many.
    pub events: i64,
}

impl Database {
    /// Takes the partition over from whoever had it, in the name of `owner`.
    pub async fn claim(
        &self,
        of: &PartitionId,
        topic_id: Uuid,
        owner: &str,
    ) -> Result<Claim, CallError> {
        let row = self
            .call(
                CLAIM,
                &[&self.group, &of.topic, &of.partition, &topic_id, &owner],
            )
            .await?;
        Ok(Claim {
            epoch: row.try_get(0)?,
            next_offset: row.try_get(1)?,
        })
    }

    /// Applies the batch and moves the position, in one statement. Repeating a batch whose answer
    /// was lost is safe: what the stored position has passed is skipped.
    pub async fn apply_batch(
        &self,
        of: &PartitionId,
        epoch: i64,
        continues_from: Option<i64>,
        batch: &Batch,
        policy: Policy<'_>,
    ) -> Result<Vec<Count>, CallError> {
        let columns = batch.columns();
        let rows = self
            .rows(
                APPLY_BATCH,
                &[
                    &self.group,
                    &of.topic,
                    &of.partition,
                    &epoch,
                    &continues_from,
                    &batch.next_offset(),
                    &columns.offsets,
                    &columns.timestamps,
                    &columns.keys,
                    &columns.header_counts,
                    &columns.header_names,
                    &columns.header_values,
                    &columns.payloads,
                    &policy.tolerant,
                    &policy.dead_letters,
                    &policy.refused_for,
                ],
            )
            .await?;
        let count = |row: &tokio_postgres::Row| {
            Ok(Count {
                kind: row.try_get(0)?,
                outcome: row.try_get(1)?,
                events: row.try_get(2)?,
            })
        };
        rows.iter().map(count).collect()
    }

    /// Notes why nothing of the partition is applied any more; false when this epoch is over.
    pub async fn stop(
        &self,
        of: &PartitionId,
        epoch: i64,
        reason: &str,
    ) -> Result<bool, CallError> {
        Ok(self
            .call(
                STOP,
                &[&self.group, &of.topic, &of.partition, &epoch, &reason],
            )
            .await?
            .try_get(0)?)
    }

    /// Who has the partition now; none when nobody ever claimed it.
    pub async fn ownership(&self, of: &PartitionId) -> Result<Option<Ownership>, CallError> {
        let rows = self
            .rows(OWNERSHIP, &[&self.group, &of.topic, &of.partition])
            .await?;
        let ownership = |row: &tokio_postgres::Row| {
            Ok(Ownership {
                epoch: row.try_get(0)?,
                owner: row.try_get(1)?,
            })
        };
        rows.first().map(ownership).transpose()
    }
}
