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
    /// Its connection string for Postgres.
    pub database_url: String,
    /// Kafka's address.
    pub kafka_bootstrap: String,
    /// Its consumer group.
    pub group: String,
    /// What it reads.
    pub topics: Vec<String>,
    /// How it is a member of its group.
    pub membership: Membership,
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
            // Writing to a String can't fail.
            let _ = writeln!(text, "{key} = {value:?}");
        }
        let _ = writeln!(text, "topics = {:?}", self.topics);
        let _ = writeln!(text, "[kafka]");
        match self.membership {
            Membership::Classic { session_timeout } => {
                let session = session_timeout.as_millis();
                let _ = writeln!(text, "\"session.timeout.ms\" = {session}");
                let _ = writeln!(text, "\"heartbeat.interval.ms\" = {}", session / 6);
            }
            Membership::Newer => {
                let _ = writeln!(text, "\"group.protocol\" = \"consumer\"");
            }
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
        let config = self.folder.join(format!("{}.toml", self.name));
        secret_file::write(&config, self.text().as_bytes())?;
        let mut command = Command::new(place.consumer());
        command.arg(self.command).arg("--config").arg(&config);
        without_our_environment(&mut command);
        Process::start(self.launch(&self.log()), &command)
    }

    /// Takes over one that an earlier run left running.
    pub fn adopt(&self, identity: Identity) -> Process {
        Process::adopt(self.launch(&self.log()), identity)
    }
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
