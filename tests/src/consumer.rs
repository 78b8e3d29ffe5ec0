//! The real consumer, as a child process.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use postgres::Client;

use crate::place::Place;
use crate::process::{Identity, Launch, Lifetime, Process, Signal};
use crate::secret_file;

/// Kafka's two ways to be in a group.
#[derive(Debug, Clone, Copy)]
pub enum Membership {
    /// The one that is the default.
    Classic {
        /// After this long without a sign of life the group gives its partitions to others.
        session_timeout: Duration,
    },
    /// KIP-848: the broker assigns, and sets the time.
    Newer,
}

/// How one consumer is set up.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name: of its configuration and log file.
    pub name: String,
    /// Where both lie.
    pub folder: PathBuf,
    /// What it does.
    pub command: &'static str,
    /// Its connection string for Postgres; when empty, libpq's variables of `environment` are in its place.
    pub database_url: String,
    /// Kafka's address.
    pub kafka_bootstrap: String,
    /// Its consumer group.
    pub group: String,
    /// What it reads.
    pub topics: Vec<String>,
    /// How it is a member of its group.
    pub membership: Membership,
    /// More lines of its configuration, before the table [kafka].
    pub settings: String,
    /// More keys of librdkafka.
    pub kafka: Vec<(&'static str, String)>,
    /// More variables of its environment.
    pub environment: Vec<(&'static str, String)>,
    /// How long it runs.
    pub lifetime: Lifetime,
}

impl Spec {
    /// The configuration file's text.
    fn text(&self) -> String {
        let mut text = String::new();
        for (key, value) in [
            ("database_url", &self.database_url),
            ("kafka_bootstrap", &self.kafka_bootstrap),
            ("group", &self.group),
        ] {
            if value.is_empty() {
                continue;
            }
            // Writing to a String can't fail.
            let _ = writeln!(text, "{key} = {value:?}");
        }
        let _ = writeln!(text, "topics = {:?}", self.topics);
        // Any port: many run at once.
        let _ = writeln!(text, "http_listen = \"127.0.0.1:0\"");
        text.push_str(&self.settings);
        let _ = writeln!(text, "[kafka]");
        match self.membership {
            Membership::Classic { session_timeout } => {
                let session = session_timeout.as_millis();
                let _ = writeln!(text, "\"session.timeout.ms\" = {session}");
            }
            Membership::Newer => {
                let _ = writeln!(text, "\"group.protocol\" = \"consumer\"");
            }
        }
        for (key, value) in &self.kafka {
            let _ = writeln!(text, "{key:?} = {value:?}");
        }
        text
    }

    fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    fn launch<'a>(&self, log: &'a std::path::Path) -> Launch<'a> {
        Launch {
            name: "the consumer",
            log,
            user: None,
            polite: Signal::TERM,
            lifetime: self.lifetime,
        }
    }

    /// Starts it, without waiting for what it does.
    pub fn start(&self, place: &Place) -> Result<Process, String> {
        Process::start(
            self.launch(&self.log()),
            &self.program(place, &[self.command])?,
        )
    }

    /// Runs one of the subcommands that ask and end, with the same settings.
    pub fn ask(&self, place: &Place, arguments: &[&str]) -> Result<Asked, String> {
        let output = self.program(place, arguments)?.output();
        let output = output.map_err(|error| format!("{arguments:?}: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Asked {
            code: output.status.code(),
            said: text(&output.stdout),
            complained: text(&output.stderr),
        })
    }

    fn program(&self, place: &Place, arguments: &[&str]) -> Result<Command, String> {
        let config = self.folder.join(format!("{}.toml", self.name));
        secret_file::write(&config, self.text().as_bytes())?;
        let mut command = Command::new(place.consumer());
        command.args(arguments).arg("--config").arg(&config);
        without_our_environment(&mut command);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Takes over one that an earlier run left running.
    pub fn adopt(&self, identity: Identity) -> Process {
        Process::adopt(self.launch(&self.log()), identity)
    }
}

/// What a subcommand answered.
#[derive(Debug)]
pub struct Asked {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its answer.
    pub said: String,
    /// What it wrote beside it.
    pub complained: String,
}

/// Where a running consumer has its endpoints: host and port.
pub fn address(consumer: &mut Process) -> Result<String, String> {
    let words = "health and metrics are served address=";
    consumer.wait_for_log(words, Duration::from_secs(60), |log| {
        let (_, rest) = log.rsplit_once(words)?;
        Some(rest.lines().next()?.trim().to_owned())
    })
}

/// For an endpoint to answer: one that hangs fails its test.
const ANSWER: Duration = Duration::from_secs(30);

/// What a running consumer answers at one of its endpoints: the status and the text.
pub fn get(consumer: &mut Process, path: &str) -> Result<(u16, String), String> {
    let address = address(consumer)?;
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(ANSWER))
        .build()
        .into();
    let describe = |error: ureq::Error| format!("{path}: {error}");
    let mut answer = agent
        .get(format!("http://{address}{path}"))
        .call()
        .map_err(describe)?;
    let text = answer.body_mut().read_to_string().map_err(describe)?;
    Ok((answer.status().as_u16(), text))
}

/// The consumer refuses what begins with `DEED_` and is no key of its own; `dev/env.sh` sets some.
pub fn without_our_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DEED_") {
            command.env_remove(name);
        }
    }
}

/// The next offset of each claimed partition, in their order; 0 where it is the log's beginning.
pub fn positions(client: &mut Client, group: &str, topic: &str) -> Option<Vec<i64>> {
    let rows = client.query(
        "SELECT coalesce(next_offset, 0) FROM deed.stream_position
         WHERE consumer_group = $1 AND topic = $2 ORDER BY partition",
        &[&group, &topic],
    );
    Some(rows.ok()?.iter().map(|row| row.get(0)).collect())
}
