//! The calls into Postgres, over a few connections that replace themselves.

use std::time::Duration;

use deadpool::managed::{Object, Pool, PoolError};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::error::Error;
use crate::metrics;
use crate::verdict::{Verdict, is_contention, verdict};

mod connect;
mod conninfo;
mod ingest;
mod operator;
mod passfile;
mod relay;
pub mod settings;
mod tls;
mod version;

use connect::{ConnectError, Connector};
pub use ingest::{Claim, Count, Ownership, Policy};
pub use operator::{Position, Quarantined, Redriven};
pub use relay::Backlog;
use settings::Settings;

/// A partition keeps one busy while it applies; more would only queue on Postgres' own disk.
const CONNECTIONS: usize = 8;

/// A function of the extension, or a question about its tables.
struct Call {
    /// Its name in metrics.
    name: &'static str,
    sql: &'static str,
}

/// Where the extension is.
#[derive(Clone)]
pub struct Database {
    pool: Pool<Connector>,
    group: String,
}

/// For an answer, before somebody says that Postgres gives none.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection could be had.
    #[error("{}", unwrap_pool(.0))]
    Connect(#[from] PoolError<ConnectError>),
    /// The statement failed, or its connection did.
    #[error("{}", chain(.0))]
    Statement(#[from] tokio_postgres::Error),
}

fn unwrap_pool(error: &PoolError<ConnectError>) -> String {
    match error {
        PoolError::Backend(error) => format!("no connection: {error}"),
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
        match self {
            CallError::Connect(PoolError::Backend(error)) if error.is_unfit() => Verdict::Park,
            // Nothing was offered, so nothing is said of any record: a login trigger or a setting refuses.
            CallError::Connect(_) => match verdict(self.code()) {
                Verdict::Retry => Verdict::Retry,
                _ => Verdict::Park,
            },
            CallError::Statement(_) => verdict(self.code()),
        }
    }

    /// What Postgres says against a record, without DETAIL, where the server shows rows.
    pub fn refusal(&self) -> String {
        match (self, self.code()) {
            (CallError::Statement(error), Some(code)) => match error.as_db_error() {
                Some(refused) => format!("{code}: {}", refused.message()),
                None => self.to_string(),
            },
            _ => self.to_string(),
        }
    }

    /// The five characters of its SQLSTATE; none when the answer did not come from Postgres.
    pub fn code(&self) -> Option<&str> {
        match self {
            CallError::Connect(PoolError::Backend(error)) => error.code(),
            CallError::Connect(_) => None,
            CallError::Statement(error) => error.code().map(tokio_postgres::error::SqlState::code),
        }
    }
}

impl Database {
    /// Connects when first asked, so that a database that is down at the start is no error.
    pub fn new(settings: &Settings, group: &str) -> Result<Self, Error> {
        let pool = Pool::builder(Connector(settings.clone()))
            .max_size(CONNECTIONS)
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

    /// Leaves the connections that nobody uses at the moment, for new ones.
    pub fn reconnect(&self) {
        self.pool.retain(|_, _| false);
    }

    /// The one row of those that always give one.
    async fn call(&self, call: Call, params: &[&(dyn ToSql + Sync)]) -> Result<Row, CallError> {
        let rows = self.rows(call, params).await?;
        Ok(rows.into_iter().next().expect("a row from each of these"))
    }

    async fn rows(
        &self,
        Call { name, sql }: Call,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, CallError> {
        let answer = self.ask(sql, params).await;
        if let Err(error) = &answer {
            metrics::call_failed(name, error.code());
        }
        answer
    }

    async fn ask(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, CallError> {
        let client = self.pool.get().await?;
        let answer = async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, params).await
        };
        let answer = answer.await.map_err(CallError::from);
        if let Err(error) = &answer
            && matches!(error.verdict(), Verdict::Retry | Verdict::Park)
            && !is_contention(error.code())
        {
            // What ails it may be the connection, or a statement it prepared before an upgrade.
            drop(Object::take(client));
        }
        answer
    }
}
