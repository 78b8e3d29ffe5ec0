//! The calls into Postgres, over a few connections that replace themselves.

use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use tokio_postgres::config::Host;
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};
use uuid::Uuid;

use crate::batch::Batch;
use crate::error::Error;
use crate::messages::PartitionId;
use crate::outlet::Event;
use crate::verdict::{Verdict, verdict};

/// A partition keeps one busy while it applies; more would only queue on Postgres' own disk.
const CONNECTIONS: usize = 8;
/// For making a connection. A statement has no limit: it ends, or its connection does.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server may be silent before its connection counts as gone.
const SILENCE: Duration = Duration::from_secs(30);

const CLAIM: &str = "SELECT epoch, next_offset FROM deed.claim($1, $2, $3, $4)";
const APPLY_BATCH: &str = "\
SELECT coalesce(sum(events) FILTER (WHERE outcome = 'rejected'), 0)::bigint \
FROM deed.apply_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

const SETTLE: &str = "SELECT deed.settle($1)";
const OUTBOX_ID: &str = "SELECT deed.outbox_id()";
const NEXT_EVENTS: &str = "\
SELECT seq, id, type, subject, data, \
  to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') \
FROM deed.next_events($1, $2)";
const RELEASE_RELAY: &str = "SELECT deed.release_relay($1)";

/// Where the extension is.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    group: String,
}

/// A partition that this process owns, until another claims it.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Names this ownership.
    pub epoch: i64,
    /// The first offset that is not yet applied; none is the log's beginning.
    pub next_offset: Option<i64>,
}

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection could be had.
    #[error("{}", unwrap_pool(.0))]
    Connect(#[from] PoolError),
    /// The statement failed, or its connection did.
    #[error("{}", chain(.0))]
    Statement(#[from] tokio_postgres::Error),
}

fn unwrap_pool(error: &PoolError) -> String {
    match error {
        PoolError::Backend(error) => chain(error),
        error => error.to_string(),
    }
}

/// tokio-postgres leaves the message to the source, with DETAIL and HINT on lines of their own.
fn chain(error: &dyn std::error::Error) -> String {
    let text = error.to_string().replace('\n', "; ");
    match error.source() {
        Some(source) => format!("{text}: {}", chain(source)),
        None => text,
    }
}

impl CallError {
    /// What to do about it.
    pub fn verdict(&self) -> Verdict {
        verdict(self.code())
    }

    /// The five characters of its SQLSTATE; none when the answer did not come from Postgres.
    pub fn code(&self) -> Option<&str> {
        let error = match self {
            CallError::Connect(PoolError::Backend(error)) | CallError::Statement(error) => error,
            CallError::Connect(_) => return None,
        };
        error.code().map(tokio_postgres::error::SqlState::code)
    }
}

impl Database {
    /// Connects when first asked, so that a database that is down at the start is no error.
    pub fn new(config: &tokio_postgres::Config, group: &str) -> Result<Self, Error> {
        let mut config = config.clone();
        if config.get_application_name().is_none() {
            config.application_name("deed-consumer");
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        config.keepalives_idle(SILENCE);
        let recycle = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let pool = Pool::builder(Manager::from_config(config, NoTls, recycle))
            .max_size(CONNECTIONS)
            .create_timeout(Some(CONNECT_TIMEOUT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Config(format!("database_url: {error}")))?;
        Ok(Database {
            pool,
            group: group.to_owned(),
        })
    }

    /// The name that the positions go by.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Takes the partition over from whoever had it.
    pub async fn claim(&self, of: &PartitionId, topic_id: Uuid) -> Result<Claim, CallError> {
        let row = self
            .call(CLAIM, &[&self.group, &of.topic, &of.partition, &topic_id])
            .await?;
        Ok(Claim {
            epoch: row.try_get(0)?,
            next_offset: row.try_get(1)?,
        })
    }

    /// Applies the batch and moves the position, in one statement. Repeating a batch whose answer
    /// was lost is safe: what the stored position has passed is skipped.
    ///
    /// Returns how many of its events were quarantined.
    pub async fn apply_batch(
        &self,
        of: &PartitionId,
        epoch: i64,
        continues_from: Option<i64>,
        batch: &Batch,
    ) -> Result<i64, CallError> {
        let columns = batch.columns();
        let row = self
            .call(
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
                ],
            )
            .await?;
        Ok(row.try_get(0)?)
    }

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
    pub async fn next_events(&self, published: &[i64], most: i32) -> Result<Vec<Event>, CallError> {
        let rows = self.rows(NEXT_EVENTS, &[&published, &most]).await?;
        let event = |row: &Row| {
            Ok(Event {
                seq: row.try_get(0)?,
                id: row.try_get(1)?,
                kind: row.try_get(2)?,
                subject: row.try_get(3)?,
                data: row.try_get(4)?,
                time: row.try_get(5)?,
            })
        };
        rows.iter().map(event).collect()
    }

    /// Lets another relay take over at once.
    pub async fn release_relay(&self, relay: Uuid) -> Result<(), CallError> {
        self.call(RELEASE_RELAY, &[&relay]).await.map(drop)
    }

    async fn call(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Row, CallError> {
        let rows = self.rows(sql, params).await?;
        Ok(rows.into_iter().next().expect("a row from each of these"))
    }

    async fn rows(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, CallError> {
        let client = self.pool.get().await?;
        let answer = async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, params).await
        };
        let answer = answer.await.map_err(CallError::from);
        if let Err(error) = &answer
            && matches!(error.verdict(), Verdict::Retry | Verdict::Park)
        {
            // What ails it may be the connection, or a statement it prepared before an upgrade.
            drop(Object::take(client));
        }
        answer
    }
}

/// The hosts of a connection string, for the log: it holds no secret.
pub fn hosts(config: &tokio_postgres::Config) -> String {
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    });
    hosts.collect::<Vec<_>>().join(",")
}
