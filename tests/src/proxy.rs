//! The example's proxy as a child process, and websockets to it.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};
use uuid::Uuid;

use crate::place::Place;
use crate::postgres::Postgres;
use crate::postgrest::token;
use crate::process::{Launch, Lifetime, Process, Signal};
use crate::stage::DEADLINE;

/// Its login, a member of `deed_service` alone.
const LOGIN: &str = "deed_proxy_example";
const SECRET: &str = "a secret of the proxy's tests, 32 characters or more";

/// A running proxy.
pub struct Proxy {
    process: Process,
    address: String,
}

/// How one is set up.
pub struct Spec<'a> {
    /// Where the database is.
    pub postgres: &'a Postgres,
    /// Which it is.
    pub database: &'a str,
    /// Kafka's address.
    pub kafka_bootstrap: String,
    /// Its log.
    pub log: PathBuf,
}

impl Proxy {
    /// Starts it and waits until it listens.
    pub fn start(place: &Place, spec: &Spec<'_>) -> Result<Self, String> {
        let url = spec
            .postgres
            .login_url(LOGIN, "deed_service", spec.database)?;
        let mut command = Command::new(place.proxy());
        command
            .env("PROXY_LISTEN", "127.0.0.1:0")
            .env("PROXY_DATABASE_URL", url)
            .env("PROXY_KAFKA_BOOTSTRAP", &spec.kafka_bootstrap)
            .env("PROXY_JWT_SECRET", SECRET);
        let mut process = Process::start(launch(&spec.log), &command)?;
        let words = "proxy starts listen=";
        let address = process.wait_for_log(words, DEADLINE, |log| {
            let (_, rest) = log.rsplit_once(words)?;
            Some(rest.lines().next()?.trim().to_owned())
        })?;
        Ok(Self { process, address })
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The address that the routes stand behind, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Opens a websocket as this principal, or gives the status that refuses it.
    pub fn connect(&self, document: Uuid, principal: Uuid) -> Result<Socket, u16> {
        self.connect_with(document, Some(&bearer(principal)))
    }

    /// Opens one with that token, or with none.
    pub fn connect_with(&self, document: Uuid, token: Option<&str>) -> Result<Socket, u16> {
        let address = format!("ws://{}/documents/{document}", self.address);
        let mut request = address.into_client_request().expect("an address");
        if let Some(token) = token {
            let header = format!("Bearer {token}").parse().expect("a header");
            request.headers_mut().insert("authorization", header);
        }
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(tungstenite::HandshakeError::Failure(Error::Http(answer))) => {
                Err(answer.status().as_u16())
            }
            Err(error) => panic!("connecting to the proxy: {error}"),
        }
    }
}

/// A token for the principal.
pub fn bearer(principal: Uuid) -> String {
    token::token(
        SECRET,
        "deed_user",
        Some(principal),
        Duration::from_secs(3600),
    )
}

/// A client's end of a websocket.
pub struct Socket(WebSocket<TcpStream>);

/// What comes out of one.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// A text, as JSON where it is one.
    Text(Value),
    /// The proxy closed it with this code.
    Closed(u16),
    /// Nothing in that time.
    Nothing,
}

impl Socket {
    /// Says something.
    pub fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).expect("sent");
    }

    /// What comes next.
    pub fn hear(&mut self) -> Heard {
        self.hear_within(DEADLINE)
    }

    /// What comes next, in that time.
    pub fn hear_within(&mut self, time: Duration) -> Heard {
        let stream = self.0.get_ref();
        stream.set_read_timeout(Some(time)).expect("a socket");
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => {
                    let text = text.as_str();
                    let json = serde_json::from_str(text);
                    return Heard::Text(json.unwrap_or_else(|_| Value::from(text)));
                }
                Ok(Message::Close(frame)) => {
                    let code = frame.map_or(CloseCode::Status, |frame| frame.code);
                    return Heard::Closed(code.into());
                }
                Ok(_) => {}
                Err(Error::Io(error))
                    if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) =>
                {
                    return Heard::Nothing;
                }
                Err(error) => panic!("the websocket: {error}"),
            }
        }
    }
}

fn launch(log: &Path) -> Launch<'_> {
    Launch {
        name: "the proxy",
        log,
        user: None,
        polite: Signal::INT,
        lifetime: Lifetime::Bound,
    }
}
