//! Makes a connection: tries each address of each host, in order, for a bounded time.

use std::fmt;
use std::time::Duration;

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;
use tokio::time::timeout;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Config, NoTls, Socket};
use tracing::debug;

use super::settings::{Server, Settings};
use super::{chain, tls, version};

/// Makes the pool's connections.
pub struct Connector(pub Settings);

/// No host gave a connection: what each said, in order.
#[derive(Debug)]
pub struct ConnectError(Vec<(String, Failure)>);

#[derive(Debug)]
enum Failure {
    Address(std::io::Error),
    Postgres(tokio_postgres::Error),
    Silent(Duration),
    /// The extension there is none that this consumer can call.
    Unfit(String),
}

impl managed::Manager for Connector {
    type Type = ClientWrapper;
    type Error = ConnectError;

    async fn create(&self) -> Result<ClientWrapper, ConnectError> {
        let mut failures = Vec::new();
        for server in &self.0.hosts {
            match self.reach(server).await {
                Ok(client) => return Ok(client),
                Err(failure) => {
                    debug!(host = server.name, "no connection: {failure}");
                    failures.push((server.name.clone(), failure));
                }
            }
        }
        Err(ConnectError(failures))
    }

    async fn recycle(
        &self,
        client: &mut ClientWrapper,
        _: &Metrics,
    ) -> RecycleResult<ConnectError> {
        match client.is_closed() {
            true => Err(RecycleError::message("closed")),
            false => Ok(()),
        }
    }
}

impl Connector {
    async fn reach(&self, server: &Server) -> Result<ClientWrapper, Failure> {
        let Some(name) = server.to_be_looked_up() else {
            return self.open(&server.config).await;
        };
        let found = timeout(self.0.timeout, tokio::net::lookup_host(name)).await;
        let found = found.map_err(|_| Failure::Silent(self.0.timeout))?;
        let mut failure = None;
        for address in found.map_err(Failure::Address)? {
            let mut config = server.config.clone();
            config.hostaddr(address.ip());
            match self.open(&config).await {
                Ok(client) => return Ok(client),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| Failure::Address(std::io::ErrorKind::NotFound.into())))
    }

    async fn open(&self, config: &Config) -> Result<ClientWrapper, Failure> {
        let connected = async {
            let client = match &self.0.tls {
                Some(tls) => connected(config, tls.clone()).await,
                None => connected(config, NoTls).await,
            };
            let client = client.map_err(Failure::Postgres)?;
            // Once a connection: behind a failover or an upgrade it may be another one.
            let fits = version::check(&client).await.map_err(Failure::Postgres)?;
            fits.map(|()| client).map_err(Failure::Unfit)
        };
        // The whole of it: a host may take connections and then say nothing.
        match timeout(self.0.timeout, connected).await {
            Ok(connected) => connected,
            Err(_) => Err(Failure::Silent(self.0.timeout)),
        }
    }
}

async fn connected<T>(config: &Config, tls: T) -> Result<ClientWrapper, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect(tls).await?;
    let task = tokio::spawn(async move {
        // What its loss meant is told where a call fails.
        if let Err(error) = connection.await {
            debug!("connection lost: {}", chain(&error));
        }
    });
    Ok(ClientWrapper::new(client, task))
}

impl ConnectError {
    /// The first answer of a server that had an SQLSTATE: a refused login says more than a host that is down.
    pub fn code(&self) -> Option<&str> {
        self.0.iter().find_map(|(_, failure)| match failure {
            Failure::Postgres(error) => error.code().map(tokio_postgres::error::SqlState::code),
            _ => None,
        })
    }
}

impl ConnectError {
    /// Whether some server could be reached, and its extension is of no use.
    pub fn is_unfit(&self) -> bool {
        let mut failures = self.0.iter();
        failures.any(|(_, failure)| matches!(failure, Failure::Unfit(_)))
    }
}

impl std::error::Error for ConnectError {}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self
            .0
            .iter()
            .map(|(host, failure)| format!("{host}: {failure}"));
        f.write_str(&told.collect::<Vec<_>>().join("; "))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Address(error) => write!(f, "{error}"),
            Failure::Unfit(why) => f.write_str(why),
            Failure::Silent(time) => write!(f, "no answer in {time:?}"),
            Failure::Postgres(error) => {
                f.write_str(&chain(error))?;
                match tls::advice(error) {
                    Some(advice) => write!(f, "; {advice}"),
                    None => Ok(()),
                }
            }
        }
    }
}
