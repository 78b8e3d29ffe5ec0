//! `deed-consumer` carries records from Kafka into the extension, exactly once, and events back.
//!
//! It never reads what an event means. The map:
//!
//! - [`cli`] and [`config`]: what it is told; [`kafka`] is what it tells librdkafka
//! - [`run`]: the polling loop of what comes in; [`rebalance`] what librdkafka calls from it; [`assignment`] the
//!   partitions of this process, and [`partition_list`] their lists in librdkafka's words;
//!   [`batch`] their records on the way
//! - [`partition`]: the task of one partition, with [`database`] for its calls and [`verdict`] for
//!   what a failed one means; [`messages`] go between it and the polling loop
//! - [`relay`]: the outbox's events on their way out, through [`outlet`]
//! - [`topics`]: the watch over the topics' ids; [`topic_id`] asks librdkafka for them

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tracing_subscriber::EnvFilter;

mod assignment;
mod batch;
mod cli;
mod config;
mod database;
mod error;
mod kafka;
mod log_limit;
mod messages;
mod outlet;
mod partition;
mod partition_list;
mod rebalance;
mod relay;
mod run;
mod topic_id;
mod topics;
mod verdict;

use database::Database;
use relay::Relay;

/// The pool warns of each connection that it replaces; what its loss meant is told elsewhere.
const LOG: &str = "info,deadpool.postgres=error";

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("{panic}");
        // Off the polling thread, which catches those of rdkafka's headers, it would leave a
        // partition without its task and in silence. A new process goes on where Postgres stands.
        if std::thread::current().name() != Some("main") {
            std::process::exit(1);
        }
    }));
    match start(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            error.exit_code()
        }
    }
}

fn start(cli: &cli::Cli) -> Result<(), error::Error> {
    let config = Arc::new(config::load(&cli.flags)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("partitions")
        .enable_all()
        .build()?;
    let (ending, shutdown) = watch::channel(false);
    let ending = Arc::new(ending);
    let (mut term, mut int) = {
        let _context = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        )
    };
    runtime.spawn({
        let ending = ending.clone();
        async move {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            let _ = ending.send(true);
        }
    });
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        kafka = config.kafka_bootstrap,
        database = database::hosts(&config.database),
        "deed-consumer starts"
    );
    let database = Database::new(&config.database, &config.group)?;
    let applied = Arc::new(Notify::new());
    let relay = Relay {
        // Of its own, so that it never waits for a partition to give a connection back.
        database: Database::new(&config.database, &config.group)?,
        runtime: runtime.handle().clone(),
        applied: applied.clone(),
        shutdown: shutdown.clone(),
    };
    let ingest = || run::run(&config, runtime.handle(), database, applied, shutdown);
    let done = match cli.command {
        cli::Command::Ingest => ingest(),
        cli::Command::Relay => relay.run(&config),
        // Whichever ends, by a signal or an error, ends the other.
        cli::Command::Run => {
            let relay = relay.spawn(&config, &ending)?;
            let done = ingest();
            let _ = ending.send(true);
            done.and(relay::join(relay))
        }
    };
    // A statement that hangs must not keep the process.
    runtime.shutdown_background();
    done
}
