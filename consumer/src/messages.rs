//! What the polling thread and the partitions' tasks tell each other.

use std::fmt;
use std::time::Duration;

use crate::batch::Record;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// What the polling thread sends.
pub enum Item {
    /// The next record.
    Record(Record),
    /// All records below this offset were sent before: what else is there is none.
    Passed(i64),
    /// Kafka refused an offset, perhaps this one, from which this partition goes on; none is the
    /// log's beginning.
    Refused(Option<i64>),
}

/// What the polling thread is told.
pub struct Report {
    /// By which partition.
    pub of: PartitionId,
    /// By which of the tasks that it had, so that a late report is known.
    pub generation: u64,
    /// What.
    pub what: What,
}

/// What a partition's task reports.
pub enum What {
    /// Postgres gave the partition; records are wanted from this offset, or from the beginning.
    Claimed(Option<i64>),
    /// The call to Postgres is being repeated: don't wait for it.
    Delayed,
    /// Everything below this offset is applied.
    Applied(i64),
    /// No records are wanted until it is claimed again.
    Stopped,
    /// The task ended: what it was sent and did not apply is void.
    Ended(End),
}

/// Why a partition's task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// To be claimed again, after this long.
    Reclaim(Duration),
    /// The process ends, or the partition was taken away.
    Shutdown,
}
