//! libpq's parameters: what a connection string and libpq's environment variables say.
//!
//! tokio-postgres parses connection strings too, but refuses what it doesn't do itself (`verify-full`, `sslrootcert`),
//! and reads no environment. Names and meanings: <https://www.postgresql.org/docs/current/libpq-connect.html>.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

/// The parameters that are known, and the variables that stand for them.
const KNOWN: [(&str, Option<&str>); 22] = [
    ("host", Some("PGHOST")),
    ("hostaddr", Some("PGHOSTADDR")),
    ("port", Some("PGPORT")),
    ("dbname", Some("PGDATABASE")),
    ("user", Some("PGUSER")),
    ("password", Some("PGPASSWORD")),
    ("passfile", Some("PGPASSFILE")),
    ("application_name", Some("PGAPPNAME")),
    ("options", Some("PGOPTIONS")),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    ("channel_binding", Some("PGCHANNELBINDING")),
    ("sslmode", Some("PGSSLMODE")),
    ("sslnegotiation", Some("PGSSLNEGOTIATION")),
    ("sslrootcert", Some("PGSSLROOTCERT")),
    ("sslcert", Some("PGSSLCERT")),
    ("sslkey", Some("PGSSLKEY")),
    ("keepalives", None),
    ("keepalives_idle", None),
    ("keepalives_interval", None),
    ("keepalives_count", None),
    ("tcp_user_timeout", None),
];

/// Variables that say where to connect or whom to trust, in a way that is not known here: to go on without them
/// could mean another server, or a laxer look at it.
const REFUSED: [&str; 7] = [
    "PGSERVICE",
    "PGREQUIREAUTH",
    "PGREQUIREPEER",
    "PGREQUIRESSL",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLMINPROTOCOLVERSION",
];

/// Values by libpq's names; none is empty.
pub type Parameters = BTreeMap<&'static str, String>;

/// What the connection string says and, where it is silent, the environment. The error names a parameter and never
/// quotes a value, which may be a password.
pub fn read(
    connection_string: &str,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Parameters, String> {
    if let Some(name) = REFUSED.into_iter().find(|name| environment(name).is_some()) {
        return Err(format!("{name} is set, and not supported: unset it"));
    }
    let given = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| connection_string.strip_prefix(scheme))
        .map_or_else(|| pairs(connection_string), url)?;
    let mut parameters = Parameters::new();
    for (name, variable) in KNOWN {
        let value = variable.and_then(&environment);
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            parameters.insert(name, value);
        }
    }
    for (name, value) in given {
        let Some((name, _)) = KNOWN.iter().find(|(known, _)| *known == name) else {
            let known = KNOWN.map(|(known, _)| known).join(", ");
            // Its name may be a piece of a password that was not quoted.
            return Err(format!(
                "an unknown parameter: expected {known}; a value with a space stands in quotes, and in a URL percent-encoded"
            ));
        };
        if value.is_empty() {
            parameters.remove(name);
        } else {
            parameters.insert(name, value);
        }
    }
    Ok(parameters)
}

type Pairs = Vec<(String, String)>;

/// A parameter's name for a message. One that is none may be a piece of a password that was not quoted.
fn known(name: &str) -> &str {
    match KNOWN.iter().any(|(known, _)| *known == name) {
        true => name,
        false => "a parameter that is not known",
    }
}

/// `user:password@host:port,host:port/dbname?name=value&...`, each part optional.
fn url(rest: &str) -> Result<Pairs, String> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, dbname) = place.split_once('/').unwrap_or((place, ""));
    // The last @: one in a password ought to be %40, and the rest of it must not pass for a host.
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (hosts, ports): (Vec<_>, Vec<_>) = hosts.split(',').map(host_and_port).unzip();
    let mut pairs = Vec::new();
    let mut add = |name: &str, value: &str| {
        let decoded = percent_decode_str(value).decode_utf8();
        let decoded =
            decoded.map_err(|_| format!("{}: its percent-encoding is not UTF-8", known(name)))?;
        if !decoded.is_empty() {
            pairs.push((name.to_owned(), decoded.into_owned()));
        }
        Ok::<_, String>(())
    };
    add("user", user)?;
    add("password", password)?;
    add("dbname", dbname)?;
    add("host", &hosts.join(","))?;
    if ports.iter().any(|port| !port.is_empty()) {
        add("port", &ports.join(","))?;
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or("expected name=value pairs behind the ?, joined by &")?;
        add(name, value)?;
    }
    Ok(pairs)
}

/// An IPv6 address stands in brackets.
fn host_and_port(text: &str) -> (&str, &str) {
    let bracketed = text.strip_prefix('[').and_then(|text| text.split_once(']'));
    match bracketed {
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
        None => text.split_once(':').unwrap_or((text, "")),
    }
}

/// `name=value` pairs between blanks; a value may be quoted by `'`, and `\` takes the meaning from what follows it.
fn pairs(text: &str) -> Result<Pairs, String> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=').ok_or(
            "expected postgres://user@host:port/database, or name=value pairs between blanks",
        )?;
        let name = name.trim_end();
        let value = value.trim_start();
        let quoted = value.strip_prefix('\'');
        let mut letters = quoted.unwrap_or(value).chars();
        let mut value = String::new();
        loop {
            match letters.next() {
                Some('\\') => value.extend(letters.next()),
                Some('\'') if quoted.is_some() => break,
                Some(blank) if quoted.is_none() && blank.is_whitespace() => break,
                Some(letter) => value.push(letter),
                None if quoted.is_some() => {
                    return Err(format!("{}: its closing quote is missing", known(name)));
                }
                None => break,
            }
        }
        pairs.push((name.to_owned(), value));
        rest = letters.as_str().trim_start();
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests;
