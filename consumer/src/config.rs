//! Settings: defaults, then the file, then the environment, then the flags.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use figment::Figment;
use figment::providers::{Format, Toml};
use figment::value::Dict;
use serde::Deserialize;

use crate::cli::Flags;
use crate::database::settings::Settings;
use crate::error::Error;

mod checking;
mod errors;
mod layers;
mod print;

pub use errors::Errors;
use layers::{Texts, check_syntax, flatten};

/// The settings, checked.
#[derive(Debug)]
pub struct Config {
    /// Where the extension is.
    pub database: Settings,
    /// `host:port`, comma separated.
    pub kafka_bootstrap: String,
    /// Kafka's consumer group, and the name of the positions in Postgres.
    pub group: String,
    /// At least one, each a legal and plain topic name.
    pub topics: Vec<String>,
    /// librdkafka's own keys, as given.
    pub kafka: BTreeMap<String, String>,
    /// Where health and metrics are served.
    pub http_listen: SocketAddr,
    /// How the log is written.
    pub log_format: LogFormat,
    /// To end in, after a signal.
    pub shutdown_timeout: Duration,
    /// What becomes of records that can't be applied.
    pub errors: Errors,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// An object a line.
    Json,
}

const FILE: &str = "deed.toml";
const PREFIX: &str = "DEED_";
const KEYS: &str = "database_url, kafka_bootstrap, group, topics, http_listen, log_format, shutdown_timeout, \
    errors.tolerance, errors.deadletterqueue.* and the table [kafka]";
/// Those that are one word in each layer.
const PLAIN: [&str; 7] = [
    "database_url",
    "kafka_bootstrap",
    "group",
    "topics",
    "http_listen",
    "log_format",
    "shutdown_timeout",
];
/// Kafka Connect's.
const ERRORS: [&str; 4] = [
    "errors.tolerance",
    "errors.deadletterqueue.topic.name",
    "errors.deadletterqueue.topic.replication.factor",
    "errors.deadletterqueue.context.headers.enable",
];
const GROUP: &str = "deed";
const TOPICS: [&str; 3] = ["documents", "principals", "permissions"];
/// OpenTelemetry's port for what Prometheus reads.
const HTTP_LISTEN: &str = "127.0.0.1:9464";
const SHUTDOWN_TIMEOUT: u64 = 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    database_url: Option<String>,
    kafka_bootstrap: Option<String>,
    group: Option<String>,
    topics: Option<Topics>,
    http_listen: Option<String>,
    log_format: Option<String>,
    shutdown_timeout: Option<Seconds>,
    #[serde(default)]
    errors: Dict,
    #[serde(default)]
    kafka: Dict,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected names, in a list or comma separated")]
enum Topics {
    CommaSeparated(String),
    List(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected whole seconds, 1 to 3600")]
enum Seconds {
    Text(String),
    Number(u64),
}

/// Reads the settings of this process: the file, its environment, and `flags`.
pub fn load(flags: &Flags) -> Result<Config, Error> {
    let file = match &flags.config {
        Some(path) if !path.is_file() => {
            return Err(Error::Config(format!(
                "--config {}: no such file",
                path.display()
            )));
        }
        Some(path) => Some(path.as_path()),
        None => Some(Path::new(FILE)).filter(|path| path.is_file()),
    };
    let environment = std::env::vars_os().filter_map(|(name, value)| {
        let key = name.to_str()?.strip_prefix(PREFIX)?.to_owned();
        Some((key, value.to_string_lossy().into_owned()))
    });
    layered(file, environment, flags)
}

fn layered(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    flags: &Flags,
) -> Result<Config, Error> {
    let mut figment = Figment::new();
    if let Some(path) = file {
        check_syntax(path)?;
        figment = figment.merge(Toml::file_exact(path));
    }
    let layers = [Texts::of_environment(environment)?, Texts::of_flags(flags)];
    for layer in &layers {
        figment = figment.merge(layer);
    }
    let mut raw: Raw = figment.extract().map_err(|errors| {
        Error::Config(
            errors
                .into_iter()
                .map(|e| describe(&e))
                .collect::<Vec<_>>()
                .join("; "),
        )
    })?;
    let (mut kafka, mut errors) = (BTreeMap::new(), BTreeMap::new());
    flatten("[kafka]", "", std::mem::take(&mut raw.kafka), &mut kafka)?;
    flatten(
        "errors",
        "errors.",
        std::mem::take(&mut raw.errors),
        &mut errors,
    )?;
    for layer in layers {
        kafka.extend(layer.kafka);
        errors.extend(layer.errors);
    }
    raw.check(kafka, Errors::read(errors)?)
}

fn describe(error: &figment::Error) -> String {
    let source = error
        .metadata
        .as_ref()
        .map_or_else(String::new, |metadata| {
            let place = metadata
                .source
                .as_ref()
                .map_or(metadata.name.to_string(), ToString::to_string);
            format!(" in {place}")
        });
    match &error.kind {
        figment::error::Kind::UnknownField(key, _) => unknown(key, &source),
        kind => format!("{}: {kind}{source}", error.path.join(".")),
    }
}

fn unknown(key: &str, source: &str) -> String {
    format!("unknown key {key}{source}: expected {KEYS}")
}

#[cfg(test)]
mod tests;
