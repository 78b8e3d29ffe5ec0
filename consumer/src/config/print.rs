//! The settings as a configuration file, for people: without secrets.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{Config, ERRORS, LogFormat};

const MASK: &str = "***";
/// Whatever of librdkafka's keys has one of these in its name is masked.
const SECRET: [&str; 6] = [
    "password",
    "secret",
    "passphrase",
    "key.pem",
    "oauthbearer.config",
    "assertion",
];

#[derive(Serialize)]
struct Printed<'a> {
    database_url: String,
    kafka_bootstrap: &'a str,
    group: &'a str,
    topics: &'a [String],
    http_listen: String,
    log_format: &'static str,
    shutdown_timeout: u64,
    errors: BTreeMap<&'static str, String>,
    kafka: BTreeMap<&'a str, &'a str>,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = [
            Some(if self.errors.tolerant { "all" } else { "none" }.to_owned()),
            self.errors.dead_letters.clone(),
            Some(self.errors.replication.to_string()),
            Some(self.errors.context_headers.to_string()),
        ];
        let masked = |(key, value)| {
            let (key, value): (&String, &String) = (key, value);
            let is_secret = SECRET.iter().any(|part| key.contains(part));
            (key.as_str(), if is_secret { MASK } else { value.as_str() })
        };
        let printed = Printed {
            database_url: self.database.masked.clone(),
            kafka_bootstrap: &self.kafka_bootstrap,
            group: &self.group,
            topics: &self.topics,
            http_listen: self.http_listen.to_string(),
            log_format: match self.log_format {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            },
            shutdown_timeout: self.shutdown_timeout.as_secs(),
            errors: ERRORS
                .into_iter()
                .zip(errors)
                .filter_map(|(key, value)| Some((key.strip_prefix("errors.")?, value?)))
                .collect(),
            kafka: self.kafka.iter().map(masked).collect(),
        };
        f.write_str(&toml::to_string(&printed).map_err(|_| fmt::Error)?)
    }
}
