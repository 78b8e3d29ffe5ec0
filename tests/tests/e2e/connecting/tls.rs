use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use deed_tests::certificates::Authority;
use deed_tests::consumer::Spec;
use deed_tests::postgres::{self as server, CONSUMER_LOGIN, Postgres, free_port};
use deed_tests::process::{Lifetime, Process};
use deed_tests::stage::{DEADLINE, Line, PLACE, run_folder, shared_kafka};

use super::documents;

/// The PyPI wheels of 16 and 18 are built without TLS; Debian's 15 has it.
const MAJOR: u32 = 15;
const PASSWORD: &str = "top-secret";

/// A cluster with a certificate for `localhost` alone, and who signed it.
static SECURE: LazyLock<(Postgres, Authority)> = LazyLock::new(|| {
    let folder = run_folder().join("postgres-tls");
    let authority = Authority::new(&folder.join("authority")).expect("an authority");
    let spec = server::Spec {
        major: MAJOR,
        folder: folder.clone(),
        port: free_port().expect("a port"),
        password: PASSWORD.to_owned(),
        fsync: false,
        settings: &[],
        lifetime: Lifetime::Bound,
    };
    let postgres = Postgres::start(&PLACE, spec).expect("Postgres");
    let server = authority
        .certify("server", &["localhost"])
        .expect("certified");
    let data = folder.join("data");
    for (from, to) in [
        (&server.certificate, "server.crt"),
        (&server.key, "server.key"),
        (&authority.certificate(), "root.crt"),
    ] {
        fs::copy(from, data.join(to)).expect("copied");
        PLACE.give_to_server(&data.join(to)).expect("given");
    }
    let hba = data.join("pg_hba.conf");
    let rules = fs::read_to_string(&hba).expect("rules");
    fs::write(
        &hba,
        format!("hostssl all by_certificate all cert\n{rules}"),
    )
    .expect("written");
    let mut admin = postgres.admin("postgres").expect("connection");
    for statement in [
        "ALTER SYSTEM SET ssl_ca_file = 'root.crt'",
        "ALTER SYSTEM SET ssl = on",
        "SELECT pg_reload_conf()",
    ] {
        admin.batch_execute(statement).expect(statement);
    }
    (postgres, authority)
});

fn line(name: &str) -> Line<'static> {
    let line = Line::new(shared_kafka(), &SECURE.0, name, &[("events", 1)]);
    line.send(&documents(name, 10));
    line
}

/// The cluster by this host name, with these parameters.
fn url(line: &Line<'_>, host: &str, parameters: &str) -> String {
    let url = line.postgres.consumer_url(&line.name);
    format!("{}?{parameters}", url.replace("127.0.0.1", host))
}

fn trusted() -> String {
    let file: PathBuf = SECURE.1.certificate();
    format!("sslrootcert={}", file.display())
}

fn start(line: &Line<'_>, database_url: String) -> Process {
    with(line, |spec| spec.database_url = database_url)
}

fn with(line: &Line<'_>, arrange: impl FnOnce(&mut Spec)) -> Process {
    let mut spec = line.consumer_spec("a");
    arrange(&mut spec);
    spec.start(&PLACE).expect("consumer")
}

/// Connections of the consumer's logins by whether they are over TLS.
fn connections(line: &Line<'_>, user: &str) -> (i64, i64) {
    let row = line.admin().query_one(
        "SELECT count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE NOT ssl)
         FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = $1 AND datname = current_database()",
        &[&user],
    );
    let row = row.expect("connections");
    (row.get(0), row.get(1))
}

fn assert_encrypted(line: &Line<'_>, user: &str) {
    line.wait_until_applied();
    let (encrypted, plain) = connections(line, user);
    assert!(
        encrypted > 0 && plain == 0,
        "{encrypted} over TLS, {plain} not"
    );
}

#[test]
fn a_server_that_offers_tls_is_verified_and_used_over_it() {
    let line = line("tls_verified");
    // Not asked for: `prefer` is the default.
    let _consumer = start(&line, url(&line, "localhost", &trusted()));
    assert_encrypted(&line, CONSUMER_LOGIN);
}

#[test]
fn verify_full_connects_and_disable_does_not_ask_for_tls() {
    let line = line("tls_modes");
    let parameters = format!("sslmode=verify-full&{}", trusted());
    let mut consumer = start(&line, url(&line, "localhost", &parameters));
    assert_encrypted(&line, CONSUMER_LOGIN);
    consumer.stop(DEADLINE).expect("stops");
    line.send(&documents("tls_modes again", 10));
    let _consumer = start(&line, url(&line, "127.0.0.1", "sslmode=disable"));
    line.wait_until_applied();
    let (encrypted, plain) = connections(&line, CONSUMER_LOGIN);
    assert!(
        encrypted == 0 && plain > 0,
        "{encrypted} over TLS, {plain} not"
    );
}

#[test]
fn libpqs_environment_says_it_all_and_its_files_hold_the_secrets() {
    let line = line("tls_environment");
    let passfile = run_folder().join("tls-passfile");
    let entry = format!("localhost:*:tls_environment:{CONSUMER_LOGIN}:{PASSWORD}\n");
    deed_tests::secret_file::write(&passfile, entry.as_bytes()).expect("written");
    let address = url(&line, "localhost", "");
    let port = address
        .rsplit_once(':')
        .and_then(|(_, rest)| rest.split_once('/'));
    let port = port.expect("a port").0;
    let _consumer = with(&line, |spec| {
        spec.database_url.clear();
        spec.environment = [
            ("PGHOST", "localhost"),
            ("PGPORT", port),
            ("PGDATABASE", "tls_environment"),
            ("PGUSER", CONSUMER_LOGIN),
            ("PGPASSFILE", &passfile.display().to_string()),
            ("PGSSLMODE", "verify-full"),
            // The system's authorities, which this variable replaces.
            (
                "SSL_CERT_FILE",
                &SECURE.1.certificate().display().to_string(),
            ),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec();
    });
    assert_encrypted(&line, CONSUMER_LOGIN);
}

#[test]
fn a_client_shows_its_certificate() {
    let line = line("tls_client");
    let role = "CREATE ROLE by_certificate LOGIN IN ROLE deed_consumer";
    line.admin().batch_execute(role).expect("a login");
    let own = SECURE.1.certify("by_certificate", &[]).expect("certified");
    let (certificate, key) = (own.certificate.display(), own.key.display());
    let parameters = format!("{}&sslcert={certificate}&sslkey={key}", trusted());
    let url = url(&line, "localhost", &parameters);
    let login = format!("{CONSUMER_LOGIN}:{PASSWORD}");
    assert!(url.contains(&login));
    let _consumer = start(&line, url.replace(&login, "by_certificate"));
    assert_encrypted(&line, "by_certificate");
}

/// What the consumer says of a server that it must not talk to; nothing of its password is among it.
fn refused(line: &Line<'_>, database_url: String, expected: &str) {
    let mut consumer = start(line, database_url);
    consumer
        .wait_for_log(expected, DEADLINE, |log| {
            log.contains(expected).then_some(())
        })
        .expect("said");
    assert!(consumer.lives(), "it waits until that is mended");
    assert!(!consumer.log().contains("secret"), "a password in the log");
    assert_eq!(connections(line, CONSUMER_LOGIN), (0, 0));
}

#[test]
fn an_unknown_authority_is_refused_whatever_the_mode() {
    let line = line("tls_unknown");
    for mode in ["prefer", "require", "verify-full"] {
        let url = url(&line, "localhost", &format!("sslmode={mode}"));
        refused(&line, url, "sslrootcert=FILE");
    }
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let line = line("tls_other_host");
    let url = url(
        &line,
        "127.0.0.1",
        &format!("sslmode=require&{}", trusted()),
    );
    refused(&line, url, "subjectAltName");
}

#[test]
fn a_server_without_tls_is_refused_where_it_is_demanded() {
    let line = Line::shared("tls_without", 1);
    let url = format!("{}?sslmode=require", line.postgres.consumer_url(&line.name));
    refused(&line, url, "server does not support TLS");
}
