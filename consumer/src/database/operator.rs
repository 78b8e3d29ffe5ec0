//! The calls of the operator's subcommands.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::{Call, CallError, Database};
use crate::messages::PartitionId;

const POSITIONS: Call = Call {
    name: "positions",
    sql: "SELECT topic, partition, next_offset, owner, claimed_at, stopped_for, stopped_at \
          FROM deed.stream_position WHERE consumer_group = $1 ORDER BY topic, partition",
};
/// The whole record only where it is asked for: it may be large.
const QUARANTINED: Call = Call {
    name: "quarantined",
    sql: "SELECT id, topic, partition, record_offset, at, reason, \
            CASE WHEN $3 THEN record_key END, CASE WHEN $3 THEN headers::text END, \
            CASE WHEN $3 THEN payload END \
          FROM deed.quarantine WHERE id > $1 ORDER BY id LIMIT $2",
};
const REDRIVE: Call = Call {
    name: "redrive",
    sql: "SELECT id, outcome::text, reason FROM deed.redrive($1) ORDER BY id",
};
const RESET: Call = Call {
    name: "reset_position",
    sql: "SELECT deed.reset_position($1, $2, $3, $4)",
};

/// Where the group is in a partition.
#[derive(Debug)]
pub struct Position {
    /// Which.
    pub of: PartitionId,
    /// The first offset that is not applied; none is the log's beginning.
    pub next_offset: Option<i64>,
    /// Who claimed it last.
    pub owner: Option<String>,
    /// When.
    pub claimed_at: Option<Timestamp>,
    /// Why nothing of it is applied; none when it is.
    pub stopped_for: Option<String>,
    /// Since when.
    pub stopped_at: Option<Timestamp>,
}

/// A record that could not be applied.
#[derive(Debug)]
pub struct Quarantined {
    /// Its id in quarantine.
    pub id: i64,
    /// Where it came from.
    pub of: PartitionId,
    /// Its place there.
    pub offset: i64,
    /// Since when it is there.
    pub at: Timestamp,
    /// What is wrong with it.
    pub reason: String,
    /// Its key, where it was asked for whole.
    pub key: Option<Vec<u8>>,
    /// Its headers, as JSON, where it was.
    pub headers: Option<String>,
    /// Its value, where it was.
    pub payload: Option<Vec<u8>>,
}

/// What became of a quarantined record.
#[derive(Debug, serde::Serialize)]
pub struct Redriven {
    /// Its id in quarantine.
    pub id: i64,
    /// The word of `deed.apply_outcome`, or `refused`: Postgres can't store it.
    pub outcome: String,
    /// Why it stays there, if it does.
    pub reason: Option<String>,
}

impl Database {
    /// All positions of the group.
    pub async fn positions(&self) -> Result<Vec<Position>, CallError> {
        let rows = self.rows(POSITIONS, &[&self.group]).await?;
        let position = |row: &Row| {
            Ok(Position {
                of: PartitionId {
                    topic: row.try_get(0)?,
                    partition: row.try_get(1)?,
                },
                next_offset: row.try_get(2)?,
                owner: row.try_get(3)?,
                claimed_at: row.try_get(4)?,
                stopped_for: row.try_get(5)?,
                stopped_at: row.try_get(6)?,
            })
        };
        rows.iter().map(position).collect()
    }

    /// Quarantined records behind this id, whole or without what they carry.
    pub async fn quarantined(
        &self,
        after: i64,
        most: i64,
        whole: bool,
    ) -> Result<Vec<Quarantined>, CallError> {
        let rows = self.rows(QUARANTINED, &[&after, &most, &whole]).await?;
        let record = |row: &Row| {
            Ok(Quarantined {
                id: row.try_get(0)?,
                of: PartitionId {
                    topic: row.try_get(1)?,
                    partition: row.try_get(2)?,
                },
                offset: row.try_get(3)?,
                at: row.try_get(4)?,
                reason: row.try_get(5)?,
                key: row.try_get(6)?,
                headers: row.try_get(7)?,
                payload: row.try_get(8)?,
            })
        };
        rows.iter().map(record).collect()
    }

    /// Applies quarantined records once more; those that are not there give nothing.
    pub async fn redrive(&self, ids: &[i64]) -> Result<Vec<Redriven>, CallError> {
        let rows = self.rows(REDRIVE, &[&ids]).await?;
        let redriven = |row: &Row| {
            Ok(Redriven {
                id: row.try_get(0)?,
                outcome: row.try_get(1)?,
                reason: row.try_get(2)?,
            })
        };
        rows.iter().map(redriven).collect()
    }

    /// Has the group go on from this offset, or the log's beginning; false when it has no such position.
    pub async fn reset(
        &self,
        of: &PartitionId,
        next_offset: Option<i64>,
    ) -> Result<bool, CallError> {
        Ok(self
            .call(
                RESET,
                &[&self.group, &of.topic, &of.partition, &next_offset],
            )
            .await?
            .try_get(0)?)
    }
}
