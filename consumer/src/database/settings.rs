//! Where Postgres is and how it is reached: one tokio-postgres configuration a host.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::conninfo::{self, Parameters};
use super::passfile::Passfile;
use super::tls;

/// For an address to take a connection and accept the login; libpq would wait for ever.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server may be silent before its connection counts as gone.
const SILENCE: Duration = Duration::from_secs(30);
/// Between two questions to a silent server. The system's 75 seconds would hold up its end.
const PROBES: Duration = Duration::from_secs(10);
/// tokio-postgres parses these itself, by the same names.
const PASSED_ON: [&str; 9] = [
    "user",
    "dbname",
    "application_name",
    "options",
    "channel_binding",
    "sslnegotiation",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
];

/// The settings, checked. They print without secrets.
#[derive(Clone)]
pub struct Settings {
    /// In the order in which they are tried; at least one, each with a single host.
    pub hosts: Vec<Server>,
    /// How a server proves who it is, where TLS may be used.
    pub tls: Option<MakeRustlsConnect>,
    /// For one address.
    pub timeout: Duration,
    user: String,
    dbname: String,
    /// All parameters, as a connection string without secrets.
    pub masked: String,
}

/// One host.
#[derive(Clone)]
pub struct Server {
    /// `host:port`, for messages.
    pub name: String,
    /// Its port.
    pub port: u16,
    /// With its one host, and its address where that was given.
    pub config: Config,
}

impl Settings {
    /// Reads a connection string, which may be empty, and libpq's environment variables. The error holds no secret.
    pub fn read(
        connection_string: &str,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let home = environment("HOME");
        let parameters = conninfo::read(connection_string, environment)?;
        let get = |name| parameters.get(name).map(String::as_str);
        let user =
            get("user").ok_or("no user: expected postgres://USER@host/database, or PGUSER")?;
        let dbname = get("dbname").unwrap_or(user);
        let places = places(&parameters)?;
        if places.is_empty() {
            return Err("no host: expected postgres://user@HOST/database, or PGHOST".into());
        }
        let mode = ssl_mode(get("sslmode"))?;
        let base = base(&parameters, mode, places.len())?;
        let passfile = match (get("password"), get("passfile"), home) {
            (Some(_), ..) => Passfile::default(),
            (None, Some(file), _) => Passfile::read(file.as_ref())?,
            (None, None, Some(home)) => Passfile::read(&PathBuf::from(home).join(".pgpass"))?,
            (None, None, None) => Passfile::default(),
        };
        let server = |(host, address, port): (String, Option<_>, u16)| {
            let mut config = base.clone();
            config.host(&host).port(port);
            if let Some(address) = address {
                config.hostaddr(address);
            }
            let socket = host.starts_with('/');
            if socket {
                config.ssl_mode(SslMode::Disable);
            }
            let looked_up = if socket { "localhost" } else { &host };
            let found = passfile.password(looked_up, port, dbname, user);
            if let Some(password) = get("password").or(found.as_deref()) {
                config.password(password);
            }
            let name = format!("{host}:{port}");
            Server { name, port, config }
        };
        let timeout = match get("connect_timeout").map(str::parse) {
            None | Some(Ok(0)) => CONNECT_TIMEOUT,
            Some(Ok(seconds)) => Duration::from_secs(seconds),
            Some(Err(_)) => return Err("connect_timeout: expected whole seconds".into()),
        };
        Ok(Settings {
            hosts: places.into_iter().map(server).collect(),
            tls: match mode {
                SslMode::Disable => None,
                _ => Some(tls::connector(
                    get("sslrootcert"),
                    own_certificate(&parameters)?,
                )?),
            },
            timeout,
            user: user.to_owned(),
            dbname: dbname.to_owned(),
            masked: masked(&parameters),
        })
    }
}

fn masked(parameters: &Parameters) -> String {
    let shown = |(name, value): (&&str, &String)| {
        let value = if *name == "password" { "***" } else { value };
        format!("{name}={}", quoted(value))
    };
    parameters.iter().map(shown).collect::<Vec<_>>().join(" ")
}

/// Hosts, user and database.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.hosts.iter().map(|host| host.name.as_str()).collect();
        write!(f, "{}@{}/{}", self.user, hosts.join(","), self.dbname)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

type Place = (String, Option<std::net::IpAddr>, u16);

/// Host, address and port of each. A host without an address is looked up; an address without a host is one by itself.
fn places(parameters: &Parameters) -> Result<Vec<Place>, String> {
    let list = |name| -> Vec<&str> {
        let value = parameters.get(name);
        value.map_or_else(Vec::new, |value| value.split(',').collect())
    };
    let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = hosts.len().max(addresses.len());
    let fits = |length| length == 0 || length == count;
    if !fits(hosts.len()) || !fits(addresses.len()) || !(fits(ports.len()) || ports.len() == 1) {
        return Err(
            "expected as many of host, hostaddr and port as there are hosts, or one port".into(),
        );
    }
    let place = |at: usize| {
        let address = match addresses.get(at).filter(|address| !address.is_empty()) {
            Some(address) => Some(
                address
                    .parse()
                    .map_err(|_| "hostaddr: expected an IP address")?,
            ),
            None => None,
        };
        let host = hosts.get(at).filter(|host| !host.is_empty());
        let host = host.or(addresses.get(at)).filter(|host| !host.is_empty());
        let port = match ports
            .get(at)
            .or(ports.first())
            .filter(|port| !port.is_empty())
        {
            Some(port) => port
                .parse()
                .map_err(|_| "port: expected a number, 1 to 65535")?,
            None => 5432,
        };
        let host =
            host.ok_or("host: expected a name, an address, or the folder of a Unix socket")?;
        Ok(((*host).to_owned(), address, port))
    };
    (0..count).map(place).collect()
}

/// All modes but `disable` verify the server in full where TLS is used, so they differ in whether it must be.
fn ssl_mode(mode: Option<&str>) -> Result<SslMode, String> {
    match mode {
        Some("disable") => Ok(SslMode::Disable),
        None | Some("prefer") => Ok(SslMode::Prefer),
        Some("require" | "verify-ca" | "verify-full") => Ok(SslMode::Require),
        Some(_) => {
            Err("sslmode: expected disable, prefer, require, verify-ca or verify-full".into())
        }
    }
}

/// The files of a client's certificate and its key: both, or none.
fn own_certificate(parameters: &Parameters) -> Result<Option<(&str, &str)>, String> {
    let get = |name| parameters.get(name).map(String::as_str);
    match (get("sslcert"), get("sslkey")) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        _ => Err("sslcert and sslkey: expected both or none".into()),
    }
}

/// What all hosts have in common.
fn base(parameters: &Parameters, mode: SslMode, hosts: usize) -> Result<Config, String> {
    let passed_on = PASSED_ON
        .iter()
        .filter_map(|name| Some(format!("{name}={} ", quoted(parameters.get(name)?))));
    let mut config: Config = passed_on.collect::<String>().parse().map_err(
        // It names the parameter, and has no password.
        |error: tokio_postgres::Error| {
            use std::error::Error;
            error
                .source()
                .map_or(error.to_string(), ToString::to_string)
        },
    )?;
    config.ssl_mode(mode);
    if config.get_application_name().is_none() {
        config.application_name("deed-consumer");
    }
    let number = |name| match parameters.get(name).map(|value| value.parse::<u32>()) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(format!("{name}: expected a whole number")),
    };
    if !parameters.contains_key("keepalives_idle") {
        config.keepalives_idle(SILENCE);
    }
    if !parameters.contains_key("keepalives_interval") {
        config.keepalives_interval(PROBES);
    }
    if let Some(count) = number("keepalives_count")? {
        config.keepalives_retries(count);
    }
    config.tcp_user_timeout(match number("tcp_user_timeout")? {
        None => SILENCE,
        Some(milliseconds) => Duration::from_millis(milliseconds.into()),
    });
    config.target_session_attrs(match parameters.get("target_session_attrs").map(String::as_str) {
        // Of several hosts one is the primary. A single one says by itself that it takes no writes.
        None if hosts > 1 => TargetSessionAttrs::ReadWrite,
        None | Some("any") => TargetSessionAttrs::Any,
        Some("read-write" | "primary") => TargetSessionAttrs::ReadWrite,
        Some(_) => {
            return Err(
                "target_session_attrs: expected read-write, primary or any, for this program writes".into(),
            );
        }
    });
    Ok(config)
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

impl Server {
    /// Its name to be looked up; none for a Unix socket, or where its address is known.
    pub fn to_be_looked_up(&self) -> Option<(&str, u16)> {
        match self.config.get_hosts() {
            [Host::Tcp(name)] if self.config.get_hostaddrs().is_empty() => Some((name, self.port)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
