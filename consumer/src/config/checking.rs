//! What the settings must be.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    Config, ERRORS, Errors, FILE, GROUP, HTTP_LISTEN, LogFormat, PREFIX, Raw, SHUTDOWN_TIMEOUT,
    Seconds, Settings, TOPICS, Topics,
};
use crate::error::Error;
use crate::kafka;
use crate::outlet::TOPIC;

impl Raw {
    pub(super) fn check(
        self,
        kafka: BTreeMap<String, String>,
        errors: Errors,
    ) -> Result<Config, Error> {
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
        if topics
            .iter()
            .chain(&errors.dead_letters)
            .any(|name| name == TOPIC)
        {
            return Err(Error::Config(format!(
                "{TOPIC} is where events go out: no topic to read, and none for dead letters"
            )));
        }
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
pub(super) fn topic_name(key: &str, name: &str) -> Result<(), Error> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match !name.is_empty() && name.len() <= 249 && name.chars().all(legal) {
        true => Ok(()),
        false => Err(Error::Config(format!(
            "{key}: {name:?} is no topic name: expected 1 to 249 letters, digits, '.', '_' or '-'"
        ))),
    }
}
