//! A PostgREST that serves one database, configured by the project's own `postgrest.conf`.
//!
//! [`request`]: questions and answers; [`token`]: who asks

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::place::Place;
use crate::process::{Identity, Launch, Lifetime, Process, Signal, wait_until};
use crate::spawn::run;

pub mod request;
pub mod token;

pub use request::{Answer, Request};

const DEADLINE: Duration = Duration::from_secs(30);

/// What a PostgREST is like.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its log file.
    pub log: PathBuf,
    /// The authenticator's connection string.
    pub database_url: String,
    /// What tokens are signed with: a secret for HS256, or a JWKS.
    pub jwt_secret: String,
    /// Settings of its own that differ from `postgrest.conf`.
    pub environment: &'static [(&'static str, &'static str)],
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// The port that tells whether it is ready.
    pub admin_port: u16,
    /// How long it runs.
    pub lifetime: Lifetime,
}

/// A running PostgREST.
#[derive(Debug)]
pub struct PostgRest {
    spec: Spec,
    process: Process,
}

impl PostgRest {
    /// Starts it, and waits until it is ready.
    pub fn start(place: &Place, spec: Spec) -> Result<Self, String> {
        let mut command = Command::new(place.postgrest());
        command
            .arg(place.root.join("postgrest.conf"))
            // It stops at the first character beyond ASCII without.
            .env("LANG", "C.UTF-8")
            .env("PGRST_DB_URI", &spec.database_url)
            .env("PGRST_JWT_SECRET", &spec.jwt_secret)
            .env("PGRST_SERVER_HOST", "127.0.0.1")
            .env("PGRST_SERVER_PORT", spec.port.to_string())
            .env("PGRST_ADMIN_SERVER_PORT", spec.admin_port.to_string())
            .envs(spec.environment.iter().copied());
        let mut process = Process::start(launch(&spec.log, spec.lifetime), &command)?;
        let ready = format!("http://127.0.0.1:{}", spec.admin_port);
        let what = format!("PostgREST is ready, see {}", spec.log.display());
        wait_until(&what, DEADLINE, || {
            let answer = Request::get("/ready").send_to(&ready);
            if answer.is_ok_and(|answer| answer.status == 200) {
                return Some(Ok(()));
            }
            (!process.lives()).then(|| Err(format!("PostgREST ended, see {}", spec.log.display())))
        })??;
        Ok(Self { spec, process })
    }

    /// Takes over one that an earlier run left running.
    pub fn adopt(spec: Spec, identity: Identity) -> Self {
        let process = Process::adopt(launch(&spec.log, spec.lifetime), identity);
        Self { spec, process }
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The address that the routes stand behind, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.spec.port)
    }

    /// Asks for a path, with a bearer token or without.
    pub fn get(&self, path: &str, token: Option<&str>) -> Result<Answer, String> {
        self.ask(Request::get(path).bearer(token))
    }

    /// Asks.
    pub fn ask(&self, request: Request) -> Result<Answer, String> {
        request.send_to(&self.url())
    }
}

/// The major version of the program that the tests run: answers of PostgREST's own differ.
pub fn major(place: &Place) -> Result<u32, String> {
    let program = place.postgrest();
    let said = run(Command::new(&program).arg("--version"), None)?;
    let digits = said.trim_start_matches(|c: char| !c.is_ascii_digit());
    let major = digits.split('.').next().unwrap_or_default().parse();
    major.map_err(|_| format!("{}: no version in {said}", program.display()))
}

fn launch(log: &Path, lifetime: Lifetime) -> Launch<'_> {
    Launch {
        name: "PostgREST",
        log,
        user: None,
        polite: Signal::TERM,
        lifetime,
    }
}
