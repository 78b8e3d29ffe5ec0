//! Settings: defaults, then the file, then the environment, then the flags.

use std::collections::BTreeMap;
use std::path::Path;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::Deserialize;

use crate::cli::Flags;
use crate::error::Error;
use crate::kafka;

/// The settings, checked.
#[derive(Debug)]
pub struct Config {
    /// Where the extension is.
    pub database: tokio_postgres::Config,
    /// `host:port`, comma separated.
    pub kafka_bootstrap: String,
    /// Kafka's consumer group, and the name of the positions in Postgres.
    pub group: String,
    /// At least one, each a legal and plain topic name.
    pub topics: Vec<String>,
    /// librdkafka's own keys, as given.
    pub kafka: BTreeMap<String, String>,
}

const FILE: &str = "deed.toml";
const PREFIX: &str = "DEED_";
const KEYS: &str = "database_url, kafka_bootstrap, group, topics and the table [kafka]";
const GROUP: &str = "deed";
const TOPICS: [&str; 3] = ["documents", "principals", "permissions"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    database_url: Option<String>,
    kafka_bootstrap: Option<String>,
    group: Option<String>,
    topics: Option<Topics>,
    #[serde(default)]
    kafka: Dict,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Topics {
    CommaSeparated(String),
    List(Vec<String>),
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
    let environment = Texts {
        source: "the environment",
        spell: |key| format!("{PREFIX}{}", key.to_uppercase()),
        values: environment
            .map(|(key, value)| (key.to_lowercase(), value))
            .collect(),
    };
    let given = [
        ("database_url", &flags.database_url),
        ("kafka_bootstrap", &flags.kafka_bootstrap),
        ("group", &flags.group),
        ("topics", &flags.topics),
    ];
    let flags = Texts {
        source: "the command line",
        spell: |key| format!("--{}", key.replace('_', "-")),
        values: given
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value.clone()?)))
            .collect(),
    };
    environment.refuse_unknown()?;
    let raw: Raw = figment
        .merge(environment)
        .merge(flags)
        .extract()
        .map_err(|errors| {
            Error::Config(
                errors
                    .into_iter()
                    .map(|e| describe(&e))
                    .collect::<Vec<_>>()
                    .join("; "),
            )
        })?;
    raw.check()
}

impl Raw {
    fn check(self) -> Result<Config, Error> {
        let database_url = required(self.database_url, "database_url")?;
        let database = database_url.parse().map_err(|error| {
            // The text may hold a password: name the key, never the value.
            Error::Config(format!(
                "database_url: {error}; expected postgres://user@host:port/database"
            ))
        })?;
        let mut kafka = BTreeMap::new();
        flatten("", self.kafka, &mut kafka)?;
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
        Ok(Config {
            database,
            kafka_bootstrap: required(self.kafka_bootstrap, "kafka_bootstrap")?,
            group,
            topics: topics(self.topics)?,
            kafka,
        })
    }
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
        // librdkafka would read a name that starts with ^ as a pattern.
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.len() > 249 || !name.chars().all(legal) {
            return Err(Error::Config(format!(
                "topics: {name:?} is no topic name: expected 1 to 249 letters, digits, '.', '_' or '-'"
            )));
        }
        if names[..at].contains(name) {
            return Err(Error::Config(format!("topics: {name:?} is given twice")));
        }
    }
    Ok(names)
}

/// librdkafka's keys have dots, which TOML reads as nesting unless they are quoted: both are taken.
fn flatten(prefix: &str, table: Dict, into: &mut BTreeMap<String, String>) -> Result<(), Error> {
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        let text = match value {
            Value::Dict(_, inner) => {
                flatten(&format!("{key}."), inner, into)?;
                continue;
            }
            Value::String(_, text) => text,
            Value::Bool(_, value) => value.to_string(),
            Value::Num(_, number) => match number.to_i128() {
                Some(number) => number.to_string(),
                None => return Err(unfit(&key)),
            },
            _ => return Err(unfit(&key)),
        };
        into.insert(key, text);
    }
    Ok(())
}

fn unfit(key: &str) -> Error {
    Error::Config(format!(
        "[kafka] \"{key}\": expected a string, a whole number or a boolean"
    ))
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

/// A layer of plain texts. figment's own environment layer would guess types, and take a group
/// named 7 for a number.
struct Texts {
    source: &'static str,
    spell: fn(&str) -> String,
    values: BTreeMap<String, String>,
}

impl Texts {
    fn refuse_unknown(&self) -> Result<(), Error> {
        let known = ["database_url", "kafka_bootstrap", "group", "topics"];
        match self
            .values
            .keys()
            .find(|key| !known.contains(&key.as_str()))
        {
            Some(key) => Err(Error::Config(format!(
                "unknown key {} in {}: expected {}",
                (self.spell)(key),
                self.source,
                known.map(self.spell).join(", ")
            ))),
            None => Ok(()),
        }
    }
}

impl Provider for Texts {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict = self
            .values
            .iter()
            .map(|(key, value)| (key.clone(), value.clone().into()));
        Ok(Profile::Default.collect(dict.collect::<Dict>()))
    }
}

#[cfg(test)]
mod tests;
