//! A PostgREST that serves one database, configured by the project's own `postgrest.conf`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::place::Place;
use crate::process::{Identity, Launch, Lifetime, Process, Signal, wait_until};

const DEADLINE: Duration = Duration::from_secs(30);

/// What a PostgREST is like.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its log file.
    pub log: PathBuf,
    /// The authenticator's connection string.
    pub database_url: String,
    /// What tokens are signed with, HS256.
    pub jwt_secret: String,
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

/// An answer: status, body, and the header `Link`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, as text.
    pub body: String,
    /// The header `Link`.
    pub link: Option<String>,
}

impl Answer {
    /// The body as JSON; text that is none is a JSON string.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| Value::String(self.body.clone()))
    }
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
            .env("PGRST_ADMIN_SERVER_PORT", spec.admin_port.to_string());
        let mut process = Process::start(launch(&spec.log, spec.lifetime), &command)?;
        let ready = format!("http://127.0.0.1:{}/ready", spec.admin_port);
        let what = format!("PostgREST is ready, see {}", spec.log.display());
        wait_until(&what, DEADLINE, || {
            if get(&ready, &[]).is_ok_and(|answer| answer.status == 200) {
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
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer
            .iter()
            .map(|bearer| ("Authorization", bearer.as_str()))
            .collect();
        get(&format!("{}{path}", self.url()), &headers)
    }
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

/// Asks for an address.
pub fn get(url: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
    let mut request = ureq::get(url)
        .config()
        .http_status_as_error(false)
        .timeout_global(Some(DEADLINE))
        .build();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = request.call().map_err(|error| format!("{url}: {error}"))?;
    let link = response
        .headers()
        .get("link")
        .and_then(|link| link.to_str().ok())
        .map(str::to_owned);
    Ok(Answer {
        status: response.status().as_u16(),
        link,
        body: response
            .body_mut()
            .read_to_string()
            .map_err(|error| format!("{url}: {error}"))?,
    })
}

/// A token with exactly these claims.
pub fn sign(secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::default(), claims, &key).expect("claims made here are JSON")
}

/// A complete token for a principal: it lasts `valid` from now.
pub fn token(secret: &str, role: &str, principal: Option<Uuid>, valid: Duration) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let expires = now.unwrap_or_default() + valid;
    let mut claims = json!({ "role": role, "aud": "deed", "exp": expires.as_secs() });
    if let Some(principal) = principal {
        claims["sub"] = json!(principal);
    }
    sign(secret, &claims)
}
