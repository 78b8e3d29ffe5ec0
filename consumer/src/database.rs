//! The calls into Postgres, over a few connections that replace themselves.

use std::time::Duration;

use deadpool_postgres::{
    HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use tokio_postgres::config::Host;
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};

use crate::error::Error;
use crate::metrics;
use crate::verdict::{Verdict, verdict};

mod ingest;
mod operator;
mod relay;
mod version;

pub use ingest::{Claim, Count, Policy};
pub use operator::{Position, Quarantined, Redriven};
pub use relay::Backlog;

/// A partition keeps one busy while it applies; more would only queue on Postgres' own disk.
const CONNECTIONS: usize = 8;
/// For making a connection. A statement has no limit: it ends, or its connection does.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server may be silent before its connection counts as gone.
const SILENCE: Duration = Duration::from_secs(30);

/// A function of the extension, or a question about its tables.
struct Call {
    /// Its name in metrics.
    name: &'static str,
    sql: &'static str,
}

/// Where the extension is.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    group: String,
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
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
            chain(error)
        }
        PoolError::PostCreateHook(HookError::Message(text)) => text.to_string(),
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
            CallError::Connect(PoolError::PostCreateHook(HookError::Message(_))) => Verdict::Park,
            _ => verdict(self.code()),
        }
    }

    /// The five characters of its SQLSTATE; none when the answer did not come from Postgres.
    pub fn code(&self) -> Option<&str> {
        let error = match self {
            CallError::Connect(
                PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)),
            )
            | CallError::Statement(error) => error,
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
            .post_create(version::hook())
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
