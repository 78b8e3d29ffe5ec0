//! Offsets that are no records.

use rdkafka::Offset;
use rdkafka::consumer::Consumer;

use super::{Assignment, Client};
use crate::messages::{Item, PartitionId};

impl Assignment {
    /// Behind its last record a log may have offsets that are no records: markers of transactions, records of aborted ones.
    /// Left unapplied, they would look like a lag, and like a lost part of the log once that is cut behind them.
    pub(super) fn pass(&mut self, client: &Client) {
        let Ok(positions) = client.position() else {
            return;
        };
        for position in positions.elements() {
            let id = PartitionId {
                topic: position.topic().to_owned(),
                partition: position.partition(),
            };
            let Some(held) = self.held.get_mut(&id) else {
                continue;
            };
            let (Offset::Offset(fetched), Some(next)) = (position.offset(), held.next) else {
                held.stale = None;
                continue;
            };
            if held.stale == Some(fetched) {
                continue;
            }
            held.stale = None;
            if next.to_raw().is_none_or(|next| next < fetched) {
                held.next = Some(Offset::Offset(fetched));
                let _ = held.inbox.send(Item::Passed(fetched));
            }
        }
    }
}
