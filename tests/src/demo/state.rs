//! What outlives a start of the demo, in one file that only its user can read.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::place::Place;
use crate::postgres::free_port;
use crate::process::{Identity, wait_until};
use crate::secret_file;

pub const POSTGRES: &str = "Postgres";
pub const KAFKA: &str = "Kafka";
pub const CONSUMER: &str = "consumer";
pub const POSTGREST: &str = "PostgREST";

/// In the order in which they are started.
pub const SERVICES: [&str; 4] = [POSTGRES, KAFKA, CONSUMER, POSTGREST];

/// A process, and what it was started with: when that has changed, it must be started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub identity: Identity,
    pub started_with: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// Of all logins of the demo's Postgres.
    pub password: String,
    pub jwt_secret: String,
    /// The last port of each server.
    pub ports: BTreeMap<String, u16>,
    pub services: BTreeMap<String, Entry>,
    /// How many chapters of the story were told to the data that lies here.
    #[serde(default)]
    pub chapters_told: usize,
    #[serde(skip)]
    file: PathBuf,
}

/// Where the demo's data and logs lie.
pub fn folder(place: &Place) -> PathBuf {
    place.private.join("demo")
}

fn secret() -> String {
    HEXLOWER.encode(&rand::random::<[u8; 24]>())
}

impl State {
    /// What an earlier start left, or the beginning.
    pub fn load(place: &Place) -> Result<Self, String> {
        let file = folder(place).join("state.json");
        let Ok(text) = fs::read(&file) else {
            return Ok(Self {
                password: secret(),
                jwt_secret: secret(),
                ports: BTreeMap::new(),
                services: BTreeMap::new(),
                chapters_told: 0,
                file,
            });
        };
        let state: Self = serde_json::from_slice(&text).map_err(|error| {
            let folder = folder(place);
            format!(
                "{}: {error}; remove {} for a fresh demo",
                file.display(),
                folder.display()
            )
        })?;
        Ok(Self { file, ..state })
    }

    pub fn save(&self) -> Result<(), String> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| error.to_string())?;
        secret_file::write(&self.file, &text)
    }

    /// The port that the server had before, when it is free or the server's own still; else another.
    pub fn port(&mut self, server: &str, runs: bool) -> Result<u16, String> {
        let earlier = self.ports.get(server).copied();
        // A server that was killed a moment ago may hold its port a little longer.
        let is_free = |port: u16| {
            let bind = || TcpListener::bind(("127.0.0.1", port)).ok();
            wait_until("the port is free", Duration::from_secs(3), bind).is_ok()
        };
        let port = match earlier {
            Some(port) if runs || is_free(port) => port,
            _ => free_port()?,
        };
        self.ports.insert(server.to_owned(), port);
        Ok(port)
    }

    /// The process that still runs, when it was started with just this.
    pub fn running(&self, service: &str, started_with: &str) -> Option<Identity> {
        let entry = self
            .services
            .get(service)
            .filter(|entry| entry.identity.lives())?;
        (entry.started_with == started_with).then_some(entry.identity)
    }

    /// Writes down which process a service is.
    pub fn started(&mut self, service: &str, identity: Identity, with: &str) -> Result<(), String> {
        let entry = Entry {
            identity,
            started_with: with.to_owned(),
        };
        self.services.insert(service.to_owned(), entry);
        self.save()
    }
}
