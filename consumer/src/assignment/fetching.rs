//! What the client fetches, in the words of either rebalance protocol.

use rdkafka::Offset;
use rdkafka::consumer::{Consumer, RebalanceProtocol};
use rdkafka::error::KafkaResult;
use tracing::{error, info};

use super::{Assignment, Client, Held, REFUSED_WAIT, told};
use crate::messages::PartitionId;
use crate::partition_list::{one, with_offsets};

impl Assignment {
    /// Has the client fetch these too, from where Postgres says.
    pub(super) fn fetch(&mut self, client: &Client, claimed: Vec<(PartitionId, Option<i64>)>) {
        // What the others have read so far still counts.
        self.pass(client);
        let start = |next: Option<i64>| next.map_or(Offset::Beginning, Offset::Offset);
        for (id, next) in &claimed {
            if let Some(held) = self.held.get_mut(id) {
                held.next = Some(start(*next));
            }
        }
        let added = with_offsets(claimed.iter().map(|(id, next)| (id, start(*next))));
        let done = match client.rebalance_protocol() {
            RebalanceProtocol::Cooperative => client.incremental_assign(&added),
            _ => self.assign_all(client),
        };
        if let Err(error) = done {
            error!(%error, "Kafka's client refused the assignment: it is tried again");
            for (id, _) in claimed {
                self.start(id, REFUSED_WAIT);
            }
            return;
        }
        // A pause from an earlier assignment could last.
        told(client.resume(&added), "resuming");
        let begun: Vec<PartitionId> = match client.rebalance_protocol() {
            RebalanceProtocol::Cooperative => claimed.iter().map(|(id, _)| id.clone()).collect(),
            _ => self.held.keys().cloned().collect(),
        };
        self.note_stale(client, &begun);
        for (id, next) in claimed {
            let offset = next.map_or("beginning".to_owned(), |next| next.to_string());
            info!(
                topic = id.topic,
                partition = id.partition,
                offset,
                "partition assigned"
            );
        }
    }

    /// The client forgets what it had fetched of these before on a thread of its own, some time later.
    fn note_stale(&mut self, client: &Client, of: &[PartitionId]) {
        let positions = client.position().unwrap_or_default();
        for id in of {
            let position = positions.find_partition(&id.topic, id.partition);
            if let Some(held) = self.held.get_mut(id) {
                held.stale = position.and_then(|found| match found.offset() {
                    Offset::Offset(offset) => Some(offset),
                    _ => None,
                });
            }
        }
    }

    pub(super) fn stop_fetching(&mut self, client: &Client, id: &PartitionId) {
        let Some(held) = self.held.get_mut(id) else {
            return;
        };
        held.paused = false;
        if held.next.take().is_none() {
            return;
        }
        let done = match client.rebalance_protocol() {
            RebalanceProtocol::Cooperative => client.incremental_unassign(&one(id)),
            _ => self.assign_all(client),
        };
        told(done, "unassigning");
    }

    /// The eager protocol knows whole assignments only: what the client had fetched for the others
    /// is fetched again.
    fn assign_all(&mut self, client: &Client) -> KafkaResult<()> {
        let next = |(id, held): (&'_ PartitionId, &'_ Held)| Some((id.clone(), held.next?));
        let all: Vec<_> = self.held.iter().filter_map(next).collect();
        let all = with_offsets(all.iter().map(|(id, next)| (id, *next)));
        client.assign(&all)?;
        // Those that are still full are paused again with their next record.
        self.held.values_mut().for_each(|held| held.paused = false);
        client.resume(&all)
    }
}
