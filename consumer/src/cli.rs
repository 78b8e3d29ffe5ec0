//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Carries records from Kafka into Deed's Postgres extension, exactly once, and events back.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// The settings given by flag.
    #[command(flatten)]
    pub flags: Flags,
}

/// What to do.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Command {
    /// Everything one instance does: ingest and relay
    Run,
    /// Apply the records of the topics to Postgres, until SIGTERM or SIGINT
    Ingest,
    /// Carry events from Postgres' outbox to the topic deed.events, until SIGTERM or SIGINT
    Relay,
}

/// Settings; a flag beats the environment beats the file.
#[derive(Debug, Default, Args)]
pub struct Flags {
    /// Configuration file (TOML); without it deed.toml, when the working folder has one
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The database that has the extension, e.g. postgres://ingest@host/app
    #[arg(long, global = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// Kafka brokers to ask first, comma separated
    #[arg(long, global = true, value_name = "HOST:PORT,...")]
    pub kafka_bootstrap: Option<String>,
    /// For ingest: consumer group, which also names the positions in Postgres [default: deed]
    #[arg(long, global = true, value_name = "NAME")]
    pub group: Option<String>,
    /// For ingest: topics to read, comma separated [default: documents,principals,permissions]
    #[arg(long, global = true, value_name = "TOPIC,...")]
    pub topics: Option<String>,
}

const AFTER_HELP: &str = "\
Settings come from the file, the environment and the flags; a flag beats the environment beats the file.
Keys of the file: database_url, kafka_bootstrap, group, topics, and a table [kafka] of librdkafka's own keys.
Environment: DEED_DATABASE_URL, DEED_KAFKA_BOOTSTRAP, DEED_GROUP, DEED_TOPICS; RUST_LOG filters the log (default info).
Exit codes: 0 stopped by a signal, 2 wrong configuration, 1 anything else.";
