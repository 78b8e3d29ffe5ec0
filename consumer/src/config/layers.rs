//! Where settings come from: the file, the environment, the flags.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::{ERRORS, PLAIN, PREFIX};
use crate::cli::Flags;
use crate::error::Error;

const FILE_SUFFIX: &str = "_FILE";
const KAFKA: &str = "KAFKA_";

/// A layer of plain texts. figment's own environment layer would guess types, and take a group
/// named 7 for a number.
pub struct Texts {
    source: &'static str,
    /// The settings with a key of their own.
    plain: BTreeMap<String, String>,
    /// Those below `errors`, by their whole keys.
    pub errors: BTreeMap<String, String>,
    /// librdkafka's own keys.
    pub kafka: BTreeMap<String, String>,
}

impl Texts {
    fn new(source: &'static str) -> Self {
        Texts {
            source,
            plain: BTreeMap::new(),
            errors: BTreeMap::new(),
            kafka: BTreeMap::new(),
        }
    }

    /// The variables, by their names behind `DEED_`.
    pub fn of_environment(
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let mut texts = Texts::new("the environment");
        let variables: BTreeMap<String, String> = variables.collect();
        for (name, value) in &variables {
            let Some(key) = name.strip_suffix(FILE_SUFFIX) else {
                texts.add_variable(name, value.clone())?;
                continue;
            };
            if variables.contains_key(key) {
                return Err(Error::Config(format!(
                    "{PREFIX}{key} and {PREFIX}{name} are both set: expected one of them"
                )));
            }
            let text = fs::read_to_string(value).map_err(|error| {
                Error::Config(format!("{PREFIX}{name}: can't read {value:?}: {error}"))
            })?;
            texts.add_variable(key, text.trim_end_matches(['\r', '\n']).to_owned())?;
        }
        Ok(texts)
    }

    fn add_variable(&mut self, name: &str, value: String) -> Result<(), Error> {
        let spelled = |key: &&str| key.replace('.', "_").to_uppercase() == name;
        if let Some(key) = PLAIN.iter().copied().find(|key| spelled(key)) {
            self.plain.insert(key.to_owned(), value);
        } else if let Some(key) = ERRORS.iter().copied().find(|key| spelled(key)) {
            self.errors.insert(key.to_owned(), value);
        } else if let Some(key) = name.strip_prefix(KAFKA).filter(|key| !key.is_empty()) {
            self.kafka
                .insert(key.to_lowercase().replace('_', "."), value);
        } else {
            let keys = PLAIN.iter().chain(&ERRORS);
            let names: Vec<String> = keys
                .map(|key| format!("{PREFIX}{}", key.replace('.', "_").to_uppercase()))
                .collect();
            return Err(Error::Config(format!(
                "unknown key {PREFIX}{name} in the environment: expected {}, or {PREFIX}{KAFKA} and a key of \
                 librdkafka; each with {FILE_SUFFIX} behind it when the value is in a file",
                names.join(", ")
            )));
        }
        Ok(())
    }

    /// What the flags say.
    pub fn of_flags(flags: &Flags) -> Self {
        let mut texts = Texts::new("the command line");
        let given = [
            ("database_url", &flags.database_url),
            ("kafka_bootstrap", &flags.kafka_bootstrap),
            ("group", &flags.group),
            ("topics", &flags.topics),
            ("http_listen", &flags.http_listen),
            ("log_format", &flags.log_format),
            ("shutdown_timeout", &flags.shutdown_timeout),
        ];
        let errors = [
            &flags.errors_tolerance,
            &flags.errors_deadletterqueue_topic_name,
            &flags.errors_deadletterqueue_topic_replication_factor,
            &flags.errors_deadletterqueue_context_headers_enable,
        ];
        let taken = |(key, value): (&str, &Option<String>)| Some((key.to_owned(), value.clone()?));
        texts.plain = given.into_iter().filter_map(taken).collect();
        texts.errors = ERRORS.into_iter().zip(errors).filter_map(taken).collect();
        texts
    }
}

impl Provider for &Texts {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict = self
            .plain
            .iter()
            .map(|(key, value)| (key.clone(), value.clone().into()));
        Ok(Profile::Default.collect(dict.collect::<Dict>()))
    }
}

/// figment's own message has the line, and a password may be in it.
pub fn check_syntax(path: &Path) -> Result<(), Error> {
    let text = fs::read_to_string(path)
        .map_err(|error| Error::Config(format!("{}: {error}", path.display())))?;
    let Err(error) = text.parse::<toml::Table>() else {
        return Ok(());
    };
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    Err(Error::Config(format!(
        "{}: line {line}: {}",
        path.display(),
        error.message()
    )))
}

/// Keys with dots, which TOML reads as nesting unless they are quoted: both are taken.
pub fn flatten(
    table: &str,
    prefix: &str,
    nested: Dict,
    into: &mut BTreeMap<String, String>,
) -> Result<(), Error> {
    for (key, value) in nested {
        let key = format!("{prefix}{key}");
        let unfit = || {
            Error::Config(format!(
                "{table}: {key:?}: expected a string, a whole number or a boolean"
            ))
        };
        let text = match value {
            Value::Dict(_, inner) => {
                flatten(table, &format!("{key}."), inner, into)?;
                continue;
            }
            Value::String(_, text) => text,
            Value::Bool(_, value) => value.to_string(),
            Value::Num(_, number) => number.to_i128().ok_or_else(unfit)?.to_string(),
            _ => return Err(unfit()),
        };
        into.insert(key, text);
    }
    Ok(())
}
