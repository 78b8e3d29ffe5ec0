//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Carries records from Kafka into Deed's Postgres extension, exactly once, and events back.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Says whether the settings are right, and ends: connects to nothing
    #[arg(long, global = true, conflicts_with = "print_config")]
    pub check_config: bool,
    /// Prints the settings as a configuration file, secrets masked, and ends
    #[arg(long, global = true)]
    pub print_config: bool,
    /// The settings given by flag.
    #[command(flatten)]
    pub flags: Flags,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Everything one instance does: ingest and relay
    Run,
    /// Apply the records of the topics to Postgres, until SIGTERM or SIGINT
    Ingest,
    /// Carry events from Postgres' outbox to the topic deed.events, until SIGTERM or SIGINT
    Relay,
    /// Show the partitions: position, lag, owner, why one has stopped; and what waits to go out
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Look at the records that could not be applied, and apply them again
    Quarantine {
        /// What to do with them.
        #[command(subcommand)]
        command: Quarantine,
    },
    /// Have the group go on elsewhere in a partition: at its beginning, or at an offset
    Reset(Reset),
}

/// What to do with quarantined records.
#[derive(Clone, Debug, Subcommand)]
pub enum Quarantine {
    /// List them, the oldest first
    List {
        /// Only those behind this id, as the last line of a list gives it
        #[arg(long, default_value_t = 0, value_name = "ID")]
        after: i64,
        /// So many at most
        #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=1000))]
        limit: i64,
        /// As JSON, one a line
        #[arg(long)]
        json: bool,
    },
    /// Show one, whole
    Show {
        /// Its id
        id: i64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Apply them once more: what can be read now leaves quarantine
    Redrive {
        /// Their ids, or --all
        #[arg(required_unless_present = "all")]
        ids: Vec<i64>,
        /// All that are there
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        /// As JSON, one a line
        #[arg(long)]
        json: bool,
    },
}

/// Where to go on.
#[derive(Clone, Debug, Args)]
pub struct Reset {
    /// The topic
    #[arg(long, value_name = "NAME")]
    pub topic: String,
    /// Its partition
    #[arg(long, value_name = "N")]
    pub partition: i32,
    /// The next record to apply; those that are passed over are lost. Without it the log's beginning, which
    /// applies again what was applied and changes nothing by it
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    pub offset: Option<i64>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Settings; a flag beats the environment beats the file.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
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
    /// Consumer group, which also names the positions in Postgres [default: deed]
    #[arg(long, global = true, value_name = "NAME")]
    pub group: Option<String>,
    /// Topics to read, comma separated [default: documents,principals,permissions]
    #[arg(long, global = true, value_name = "TOPIC,...")]
    pub topics: Option<String>,
    /// Where health and metrics are served; port 0 is any [default: 127.0.0.1:9464]
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    pub http_listen: Option<String>,
    /// text or json [default: text]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Seconds to end in, after SIGTERM or SIGINT [default: 10]
    #[arg(long, global = true, value_name = "SECONDS")]
    pub shutdown_timeout: Option<String>,
    /// What a record does that can't be applied: all quarantines it, none stops its partition [default: all]
    #[arg(long, global = true, value_name = "all|none")]
    pub errors_tolerance: Option<String>,
    /// Topic that such records go to as well
    #[arg(long, global = true, value_name = "TOPIC")]
    pub errors_deadletterqueue_topic_name: Option<String>,
    /// Of that topic, when it is made [default: 3]
    #[arg(long, global = true, value_name = "N")]
    pub errors_deadletterqueue_topic_replication_factor: Option<String>,
    /// Whether they say in headers what was wrong with them [default: false]
    #[arg(long, global = true, value_name = "true|false")]
    pub errors_deadletterqueue_context_headers_enable: Option<String>,
}

const AFTER_HELP: &str = "\
Settings come from the file, the environment and the flags; a flag beats the environment beats the file.
In the file the keys have the names of the flags with _ for -, and dots in those that begin with errors; a table [kafka] has librdkafka's own keys.
Environment: DEED_ and the key in capitals, _ for each dot: DEED_DATABASE_URL, DEED_ERRORS_TOLERANCE, DEED_KAFKA_SASL_PASSWORD. With _FILE behind it, the value is in that file: DEED_DATABASE_URL_FILE. RUST_LOG filters the log (default info).
Exit codes: 0 done, or stopped by a signal; 2 wrong settings or arguments, 1 anything else.";
