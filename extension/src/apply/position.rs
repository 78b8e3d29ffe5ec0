//! Who consumes a partition, and from where.

use pgrx::datum::DatumWithOid;
use uuid::Uuid;

use crate::failure::{Failure, SqlState};
use crate::pg::ids::{core_uuid, sql_uuid};
use crate::pg::session;
use crate::pg::spi::{self, arg};

/// A partition as one consumer group sees it.
pub struct Partition<'a> {
    /// Kafka's `group.id`.
    pub consumer_group: &'a str,
    /// The topic's name.
    pub topic: &'a str,
    /// The partition's number.
    pub partition: i32,
}

/// A locked position whose owner is the caller.
pub struct Position {
    /// The topic's id in Kafka.
    pub topic_id: Uuid,
    next_offset: Option<i64>,
}

impl Partition<'_> {
    fn key<'a>(&self) -> Vec<DatumWithOid<'a>> {
        vec![
            arg(self.consumer_group.to_owned()),
            arg(self.topic.to_owned()),
            arg(self.partition),
        ]
    }

    fn name(&self) -> String {
        format!(
            "partition {} of topic {} for group {}",
            self.partition, self.topic, self.consumer_group
        )
    }
}

/// What a claim writes besides: columns, values, assignments.
const NAMED: (&str, &str, &str) = (
    ", owner, claimed_at",
    ", nullif($5, ''), pg_catalog.clock_timestamp()",
    ", owner = excluded.owner, claimed_at = excluded.claimed_at, stopped_for = NULL, stopped_at = NULL",
);

/// Takes the partition over in this name, empty where there is none; gives its new epoch and where to start. Without
/// `owner` as before 0.6.0, whose tables have no place for one.
pub fn claim(
    partition: &Partition<'_>,
    topic_id: Uuid,
    owner: Option<&str>,
) -> Result<(i64, Option<i64>), Failure> {
    session::require_read_committed()?;
    if topic_id.is_nil() {
        // What librdkafka gives for a broker that knows no ids: all topics would be one.
        return Err(Failure::new(
            SqlState::MalformedBatch,
            "topic_id is nil, expected the id that Kafka gave the topic",
        ));
    }
    let mut arguments = partition.key();
    arguments.push(arg(sql_uuid(topic_id)));
    let (columns, values, assignments) = match owner {
        Some(owner) => {
            arguments.push(arg(owner.to_owned()));
            NAMED
        }
        None => ("", "", ""),
    };
    let claimed = spi::write(
        &format!(
            "INSERT INTO deed.stream_position AS p \
               (consumer_group, topic, partition, topic_id, epoch{columns}) \
             VALUES ($1, $2, $3, $4, 1{values}) \
             ON CONFLICT (consumer_group, topic, partition) \
             DO UPDATE SET epoch = p.epoch + 1, topic_id = excluded.topic_id{assignments} \
             WHERE p.topic_id IS NULL OR p.topic_id = excluded.topic_id \
             RETURNING epoch, next_offset"
        ),
        &arguments,
        |row| (row.get(1), row.get(2)),
    );
    match claimed.first() {
        Some((Some(epoch), next_offset)) => Ok((*epoch, *next_offset)),
        _ => Err(Failure::new(
            SqlState::TopicRecreated,
            format!(
                "{} was re-created: it is not the topic that the stored position belongs to",
                partition.name()
            ),
        )
        .hint(
            "If the new topic's events are to be applied from its beginning, call deed.reset_position.",
        )),
    }
}

/// Locks the position for a batch of the owner with this epoch.
pub fn lock(partition: &Partition<'_>, epoch: i64) -> Result<Position, Failure> {
    let found = spi::write(
        "SELECT epoch, topic_id, next_offset FROM deed.stream_position \
         WHERE consumer_group = $1 AND topic = $2 AND partition = $3 FOR UPDATE",
        &partition.key(),
        |row| {
            (
                row.get::<i64>(1),
                row.get::<pgrx::Uuid>(2),
                row.get::<i64>(3),
            )
        },
    );
    match found.first() {
        None => Err(Failure::new(
            SqlState::NotClaimed,
            format!("{} is not claimed: call deed.claim first", partition.name()),
        )),
        Some((stored, Some(topic_id), next_offset)) if *stored == Some(epoch) => Ok(Position {
            topic_id: core_uuid(*topic_id),
            next_offset: *next_offset,
        }),
        Some(_) => Err(Failure::new(
            SqlState::Fenced,
            format!(
                "{} is no longer owned with epoch {epoch}: it was claimed again, or reset",
                partition.name()
            ),
        )),
    }
}

impl Position {
    /// The first offset of a batch that is not yet applied; none is the log's beginning.
    pub fn continue_from(
        &self,
        partition: &Partition<'_>,
        continues_from: Option<i64>,
    ) -> Result<Option<i64>, Failure> {
        match self.next_offset >= continues_from {
            true => Ok(self.next_offset),
            false => Err(Failure::new(
                SqlState::PositionBehind,
                format!(
                    "{} stands before the batch: a batch was lost on the way",
                    partition.name()
                ),
            )
            .hint("Claim the partition again and continue from the offset that it gives.")),
        }
    }
}

/// Moves the locked position; never back.
pub fn advance(partition: &Partition<'_>, next_offset: i64) {
    let mut arguments = partition.key();
    arguments.push(arg(next_offset));
    spi::execute(
        "UPDATE deed.stream_position SET next_offset = greatest(next_offset, $4) \
         WHERE consumer_group = $1 AND topic = $2 AND partition = $3",
        &arguments,
    );
}
