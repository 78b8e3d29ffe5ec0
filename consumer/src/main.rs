//! `deed-consumer` carries records from Kafka into the extension, exactly once, and events back.
//!
//! It never reads what an event means. The map:
//!
//! - [`cli`] and [`config`]: what it is told; [`kafka`] is what it tells librdkafka
//! - [`instance`]: a process that runs until a signal; [`commands`]: the operator's, which ask and end
//! - [`run`]: the polling loop of what comes in; [`rebalance`] what librdkafka calls from it; [`assignment`] the
//!   partitions of this process, and [`partition_list`] their lists in librdkafka's words;
//!   [`batch`] their records on the way
//! - [`partition`]: the task of one partition, with [`database`] for its calls and [`verdict`] for
//!   what a failed one means, [`backoff`] when it is repeated; [`messages`] go between it and the polling loop
//! - [`relay`]: the outbox's events on their way out, through [`outlet`]; [`dead_letters`] their topics
//! - [`topics`]: the watch over the topics' ids; [`topic_id`] asks librdkafka for them; [`lag`] over their ends
//! - [`health`] is what the process knows of itself, [`metrics`] what it counts, [`backlog`] what waits in the
//!   database; [`http`] serves them. `traces`, with the feature `otel`, tells of records that are in a trace

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tracing_subscriber::EnvFilter;

mod assignment;
mod backlog;
mod backoff;
mod batch;
mod cli;
mod commands;
mod config;
mod database;
mod dead_letters;
mod error;
mod health;
mod http;
mod instance;
mod kafka;
mod lag;
mod log_limit;
mod messages;
mod metrics;
mod outlet;
mod partition;
mod partition_list;
mod rebalance;
mod relay;
mod run;
mod topic_id;
mod topics;
#[cfg(feature = "otel")]
mod traces;
mod verdict;

use cli::Command;
use config::{Config, LogFormat};
use error::Error;

const LOG: &str = "info";
/// For the operator's subcommands, whose output is the answer.
const QUIET: &str = "error,rdkafka=off,librdkafka=off";

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let goes_on = matches!(
        cli.command,
        Some(Command::Run | Command::Ingest | Command::Relay)
    );
    let config = config::load(&cli.flags);
    let format = config
        .as_ref()
        .map_or(LogFormat::Text, |config| config.log_format);
    let only_looks = cli.check_config || cli.print_config || !goes_on;
    log(format, if only_looks { QUIET } else { LOG });
    let done = config.and_then(|config| match &cli.command {
        _ if cli.print_config => {
            print!("{config}");
            Ok(ExitCode::SUCCESS)
        }
        _ if cli.check_config => kafka::check(&config).map(|()| {
            println!("the settings are right");
            ExitCode::SUCCESS
        }),
        None => {
            let missing = cli::Cli::command().error(
                clap::error::ErrorKind::MissingSubcommand,
                "expected a subcommand: run, ingest, relay, status, quarantine or reset",
            );
            missing.exit()
        }
        Some(command) if goes_on => go_on(command, config).map(|()| ExitCode::SUCCESS),
        Some(command) => answer(command, &config),
    });
    done.unwrap_or_else(|error| {
        tracing::error!("{error}");
        error.exit_code()
    })
}

fn log(format: LogFormat, filter: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(2)
        .thread_name("partitions")
        .enable_all();
    Ok(builder.build()?)
}

fn go_on(command: &Command, config: Config) -> Result<(), Error> {
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("{panic}");
        // Off the polling thread, which catches those of rdkafka's headers, it would leave a
        // partition without its task and in silence. A new process goes on where Postgres stands.
        if std::thread::current().name() != Some("main") {
            std::process::exit(1);
        }
    }));
    let metrics = metrics::install()?;
    #[cfg(feature = "otel")]
    let exporter = traces::start()?;
    let runtime = runtime()?;
    let done = instance::run(command, config, &runtime, metrics);
    // A collector that is silent would keep it for seconds: before the runtime goes, whose timer ends the process in time.
    #[cfg(feature = "otel")]
    drop(exporter);
    // A statement that hangs must not keep the process.
    runtime.shutdown_background();
    done
}

fn answer(command: &Command, config: &Config) -> Result<ExitCode, Error> {
    let database = database::Database::new(&config.database, &config.group)?;
    let done = runtime()?.block_on(commands::run(command, config, &database));
    Ok(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("error: {failed}");
            ExitCode::FAILURE
        }
    })
}
