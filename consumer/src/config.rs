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
use crate::kafka;

mod errors;
mod layers;
mod print;

pub use errors::Errors;
use layers::{Texts, flatten};

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
#[serde(untagged)]
enum Topics {
    CommaSeparated(String),
    List(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
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

impl Raw {
    fn check(self, kafka: BTreeMap<String, String>, errors: Errors) -> Result<Config, Error> {
        let variable = |name: &str| std::env::var(name).ok();
        let database_url = match self.database_url {
            // libpq's variables may say all of it.
            None if variable("PGHOST").or(variable("PGHOSTADDR")).is_some() => String::new(),
            given => required(given, "database_url")?,
        };
        let database = Settings::read(&database_url, variable)
            .map_err(|problem| Error::Config(format!("database_url: {problem}")))?;
        for key in kafka.keys() {
            if let Some(reason) = kafka::refusal(key) {
                return Err(Error::Config(format!(
                    "[kafka] \"{key}\" can't be set: {reason}"
                )));
            }
        }
        let group = self.group.unwrap_or_else(|| GROUP.to_owned());
        if group.is_empty() {
            return Err(Error::Config("group: expected a name, got nothing".into()));
        }
        let topics = topics(self.topics)?;
        if let Some(name) = errors
            .dead_letters
            .as_ref()
            .filter(|name| topics.contains(name))
        {
            return Err(Error::Config(format!(
                "{}: {name:?} is among topics: a dead letter would come in again",
                ERRORS[1]
            )));
        }
        let http_listen = self.http_listen.unwrap_or_else(|| HTTP_LISTEN.to_owned());
        Ok(Config {
            database,
            kafka_bootstrap: required(self.kafka_bootstrap, "kafka_bootstrap")?,
            group,
            topics,
            kafka,
            http_listen: http_listen.parse().map_err(|_| {
                Error::Config(format!(
                    "http_listen: expected an address and a port, such as {HTTP_LISTEN} or 0.0.0.0:9464, got {http_listen:?}"
                ))
            })?,
            log_format: match self.log_format.as_deref() {
                None | Some("text") => LogFormat::Text,
                Some("json") => LogFormat::Json,
                Some(other) => {
                    return Err(Error::Config(format!(
                        "log_format: expected text or json, got {other:?}"
                    )));
                }
            },
            shutdown_timeout: seconds(self.shutdown_timeout)?,
            errors,
        })
    }
}

fn seconds(given: Option<Seconds>) -> Result<Duration, Error> {
    let seconds = match given {
        None => Some(SHUTDOWN_TIMEOUT),
        Some(Seconds::Number(number)) => Some(number),
        Some(Seconds::Text(text)) => text.parse().ok(),
    };
    let possible = seconds.filter(|seconds| (1..=3600).contains(seconds));
    possible
        .map(Duration::from_secs)
        .ok_or_else(|| Error::Config("shutdown_timeout: expected whole seconds, 1 to 3600".into()))
}

fn required(value: Option<String>, key: &str) -> Result<String, Error> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| {
        Error::Config(format!(
            "{key} is missing: give it as {key} = \"...\" in {FILE} (or --config FILE), \
             as {PREFIX}{} in the environment, or as --{} on the command line",
            key.to_uppercase(),
            key.replace('_', "-")
        ))
    })
}

fn topics(given: Option<Topics>) -> Result<Vec<String>, Error> {
    let names: Vec<String> = match given {
        None => TOPICS.map(str::to_owned).to_vec(),
        Some(Topics::List(names)) => names,
        Some(Topics::CommaSeparated(names)) => names
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect(),
    };
    if names.is_empty() {
        return Err(Error::Config("topics: expected at least one".into()));
    }
    for (at, name) in names.iter().enumerate() {
        topic_name("topics", name)?;
        if names[..at].contains(name) {
            return Err(Error::Config(format!("topics: {name:?} is given twice")));
        }
    }
    Ok(names)
}

/// librdkafka would read a name that starts with ^ as a pattern.
fn topic_name(key: &str, name: &str) -> Result<(), Error> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match !name.is_empty() && name.len() <= 249 && name.chars().all(legal) {
        true => Ok(()),
        false => Err(Error::Config(format!(
            "{key}: {name:?} is no topic name: expected 1 to 249 letters, digits, '.', '_' or '-'"
        ))),
    }
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
