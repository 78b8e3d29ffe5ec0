//! The consumer's two calls, made without Kafka: by an owner of one partition; and one event alone.

use postgres::{Client, Error, Statement};
use uuid::Uuid;

use crate::event::{Event, Record};

/// What consumer 0.1.0 sends, to the letter: consumer N works with extension N and N+1.
const CLAIM: &str = "SELECT epoch, next_offset FROM deed.claim($1, $2, $3, $4)";
const APPLY_BATCH: &str = "\
SELECT coalesce(sum(events) FILTER (WHERE outcome = 'rejected'), 0)::bigint \
FROM deed.apply_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

/// The group of all such owners.
pub const GROUP: &str = "by hand";
/// The topic of all their partitions.
pub const TOPIC: &str = "events";

/// Applies records as those of a partition, each at the next offset.
pub struct Owner {
    client: Client,
    apply_batch: Statement,
    group: &'static str,
    topic: &'static str,
    partition: i32,
    epoch: i64,
    next_offset: Option<i64>,
}

impl Owner {
    /// Claims the partition of [`TOPIC`] for [`GROUP`].
    pub fn claim(client: Client, partition: i32) -> Result<Self, Error> {
        Self::claim_for(client, GROUP, TOPIC, partition)
    }

    /// Claims a partition of any topic, for any group.
    pub fn claim_for(
        mut client: Client,
        group: &'static str,
        topic: &'static str,
        partition: i32,
    ) -> Result<Self, Error> {
        let row = client.query_one(
            CLAIM,
            &[&group, &topic, &partition, &crate::event::id(topic)],
        )?;
        Ok(Self {
            apply_batch: client.prepare(APPLY_BATCH)?,
            client,
            group,
            topic,
            partition,
            epoch: row.get(0),
            next_offset: row.get(1),
        })
    }

    /// The connection, for what else is asked on it.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Applies one batch; gives how many of its records were quarantined.
    pub fn apply(&mut self, records: &[Record]) -> Result<i64, Error> {
        let start = self.next_offset.unwrap_or(0);
        let end = start + records.len() as i64;
        let offsets: Vec<i64> = (start..end).collect();
        let timestamps = vec![-1_i64; records.len()];
        let keys: Vec<Option<&[u8]>> = records.iter().map(|record| record.key.as_deref()).collect();
        let header_counts: Vec<i32> = records
            .iter()
            .map(|record| record.headers.len() as i32)
            .collect();
        let headers = || records.iter().flat_map(|record| &record.headers);
        let names: Vec<&[u8]> = headers().map(|(name, _)| name.as_bytes()).collect();
        let values: Vec<Option<&[u8]>> = headers().map(|(_, value)| value.as_deref()).collect();
        let payloads: Vec<Option<&[u8]>> = records
            .iter()
            .map(|record| record.value.as_deref())
            .collect();
        let row = self.client.query_one(
            &self.apply_batch,
            &[
                &self.group,
                &self.topic,
                &self.partition,
                &self.epoch,
                &self.next_offset,
                &end,
                &offsets,
                &timestamps,
                &keys,
                &header_counts,
                &names,
                &values,
                &payloads,
            ],
        )?;
        self.next_offset = Some(end);
        Ok(row.get(0))
    }
}

/// Applies one event as callers without Kafka do.
pub fn apply(client: &mut Client, event: &Event) {
    let envelope = event.envelope().to_string();
    client
        .execute("SELECT deed.apply($1::text::jsonb)", &[&envelope])
        .unwrap_or_else(|error| panic!("{event:?}: {error:?}"));
}

/// The id of the topic.
pub fn topic_id() -> Uuid {
    crate::event::id(TOPIC)
}
