//! The calls of the relay, and what waits for it.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Call, CallError, Database};
use crate::outlet::{DeadLetter, Event};

const SETTLE: Call = Call {
    name: "settle",
    sql: "SELECT deed.settle($1)",
};
const OUTBOX_ID: Call = Call {
    name: "outbox_id",
    sql: "SELECT deed.outbox_id()",
};
const NEXT_EVENTS: Call = Call {
    name: "next_outbox_events",
    sql: "SELECT seq, id, type, subject, data, \
            to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), traceparent \
          FROM deed.next_outbox_events($1, $2, $3)",
};
const NEXT_LETTERS: Call = Call {
    name: "next_letters",
    sql: "SELECT seq, destination, record_key, header_names, header_values, payload, \
            consumer_group, topic, partition, record_offset, reason, id \
          FROM deed.next_letters($1, $2, $3, $4)",
};
const RELEASE_RELAY: Call = Call {
    name: "release_relay",
    sql: "SELECT deed.release_relay($1)",
};
const BACKLOG: Call = Call {
    name: "backlog",
    sql: "SELECT outbox_events, outbox_since, dead_letters, marks, quarantined FROM deed.backlog()",
};

/// What waits; each is counted up to 100,000.
#[derive(Debug, serde::Serialize)]
pub struct Backlog {
    /// Events to go out.
    pub outbox_events: i64,
    /// When the first of them was told of; none when there is none.
    pub outbox_since: Option<Timestamp>,
    /// Dead letters to go out.
    pub dead_letters: i64,
    /// Marks to be looked at.
    pub marks: i64,
    /// Records in quarantine.
    pub quarantined: i64,
}

impl Database {
    /// Has Postgres look at what is marked; whether there is more to do at once. None while another relay is at
    /// work.
    pub async fn settle(&self, relay: Uuid) -> Result<Option<bool>, CallError> {
        Ok(self.call(SETTLE, &[&relay]).await?.try_get(0)?)
    }

    /// What tells this outbox from all others.
    pub async fn outbox_id(&self) -> Result<Uuid, CallError> {
        Ok(self.call(OUTBOX_ID, &[]).await?.try_get(0)?)
    }

    /// Takes those that are published out of the outbox, and gives the next ones.
    pub async fn next_events(
        &self,
        published: &[(i64, Uuid)],
        most: i32,
    ) -> Result<Vec<Event>, CallError> {
        let (places, ids): (Vec<i64>, Vec<Uuid>) = published.iter().copied().unzip();
        let rows = self.rows(NEXT_EVENTS, &[&places, &ids, &most]).await?;
        let event = |row: &Row| {
            Ok(Event {
                seq: row.try_get(0)?,
                id: row.try_get(1)?,
                kind: row.try_get(2)?,
                subject: row.try_get(3)?,
                data: row.try_get(4)?,
                time: row.try_get(5)?,
                traceparent: row.try_get(6)?,
            })
        };
        rows.iter().map(event).collect()
    }

    /// Takes the dead letters that are published away, and gives the next ones behind a place.
    pub async fn next_letters(
        &self,
        published: &[(i64, Uuid)],
        behind: i64,
        most: i32,
    ) -> Result<Vec<DeadLetter>, CallError> {
        let (places, ids): (Vec<i64>, Vec<Uuid>) = published.iter().copied().unzip();
        let rows = self
            .rows(NEXT_LETTERS, &[&places, &ids, &behind, &most])
            .await?;
        let letter = |row: &Row| {
            let names: Vec<Vec<u8>> = row.try_get(3)?;
            let values: Vec<Option<Vec<u8>>> = row.try_get(4)?;
            Ok(DeadLetter {
                seq: row.try_get(0)?,
                destination: row.try_get(1)?,
                key: row.try_get(2)?,
                headers: names.into_iter().zip(values).collect(),
                payload: row.try_get(5)?,
                group: row.try_get(6)?,
                topic: row.try_get(7)?,
                partition: row.try_get(8)?,
                offset: row.try_get(9)?,
                reason: row.try_get(10)?,
                id: row.try_get(11)?,
            })
        };
        rows.iter().map(letter).collect()
    }

    /// Lets another relay take over at once.
    pub async fn release_relay(&self, relay: Uuid) -> Result<(), CallError> {
        self.call(RELEASE_RELAY, &[&relay]).await.map(drop)
    }

    /// What waits.
    pub async fn backlog(&self) -> Result<Backlog, CallError> {
        let row = self.call(BACKLOG, &[]).await?;
        Ok(Backlog {
            outbox_events: row.try_get(0)?,
            outbox_since: row.try_get(1)?,
            dead_letters: row.try_get(2)?,
            marks: row.try_get(3)?,
            quarantined: row.try_get(4)?,
        })
    }
}
