//! A process that goes on until a signal: its threads, its endpoints and its end.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::backlog;
use crate::cli::Command;
use crate::config::Config;
use crate::database::Database;
use crate::error::Error;
use crate::health::Health;
use crate::http;
use crate::kafka;
use crate::partition::Shared;
use crate::relay::{self, Relay};
use crate::run;
use crate::topics::Topics;

/// Beyond the time to end in, for what is on its way out already.
const GRACE: Duration = Duration::from_millis(500);

/// Runs ingest, relay or both.
pub fn run(
    command: &Command,
    config: Config,
    runtime: &Runtime,
    metrics: PrometheusHandle,
) -> Result<(), Error> {
    let config = Arc::new(config);
    let (ending, shutdown) = watch::channel(false);
    let ending = Arc::new(ending);
    end_by_signal(runtime, ending.clone(), config.shutdown_timeout)?;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        kafka = config.kafka_bootstrap,
        database = %config.database,
        "deed-consumer starts"
    );
    let health = Arc::new(Health::default());
    health.heard("postgres", Err("not asked yet".to_owned()));
    runtime.block_on(http::serve(config.http_listen, health.clone(), metrics))?;
    // Each of its own, so that none waits for another to give a connection back.
    let aside = Database::new(&config.database, &config.group)?;
    let watching = Database::new(&config.database, &config.group)?;
    runtime.spawn(backlog::watch(watching, health.clone()));
    let applied = Arc::new(Notify::new());
    let relay = Relay {
        database: aside,
        runtime: runtime.handle().clone(),
        health: health.clone(),
        applied: applied.clone(),
        shutdown: shutdown.clone(),
    };
    let ingest = || {
        let shared = Shared {
            database: Database::new(&config.database, &config.group)?,
            owner: owner(&config).into(),
            errors: config.errors.clone(),
            topics: Topics::watch(&config, health.clone())?,
            health,
            applied,
            shutdown,
        };
        run::run(&config, runtime.handle(), shared)
    };
    match command {
        Command::Ingest => ingest(),
        Command::Relay => relay.run(&config),
        // Whichever ends, by a signal or an error, ends the other.
        _ => {
            let relay = relay.spawn(&config, &ending)?;
            let done = ingest();
            let _ = ending.send(true);
            done.and(relay::join(relay, config.shutdown_timeout / 2))
        }
    }
}

/// What this process calls itself where positions are kept.
fn owner(config: &Config) -> String {
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    match kafka::instance(config) {
        Some(instance) => format!("{instance} ({host}, process {})", std::process::id()),
        None => format!("{host}, process {}", std::process::id()),
    }
}

/// Has the process end at a signal, in order if there is time enough. What is cut off was applied or was not: Postgres
/// knows, and whoever comes next goes on from there.
fn end_by_signal(
    runtime: &Runtime,
    ending: Arc<watch::Sender<bool>>,
    at_most: Duration,
) -> Result<(), Error> {
    let _context = runtime.enter();
    let (mut term, mut int) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    runtime.spawn(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        info!("a signal: ending within {at_most:?}");
        let _ = ending.send(true);
        tokio::time::sleep(at_most + GRACE).await;
        warn!("not ended within {at_most:?}: what is under way is abandoned");
        std::process::exit(0);
    });
    Ok(())
}
