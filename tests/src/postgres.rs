//! A Postgres cluster of this clone's own, on a loopback port, behind a password.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postgres::{Client, NoTls};

use crate::place::Place;
use crate::process::{Identity, Launch, Lifetime, Process, Signal, wait_until};
use crate::spawn::run;

/// The consumer's own login: no superuser, a member of `deed_consumer` alone.
pub const CONSUMER_LOGIN: &str = "deed_ingest";
/// PostgREST's login, which `sql/roles.sql` creates.
const API_LOGIN: &str = "deed_authenticator";
/// Crash recovery after a load counts too.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// What a cluster is like.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The Postgres major.
    pub major: u32,
    /// Its folder: data, log. Made when missing, kept when there.
    pub folder: PathBuf,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// The password of all logins.
    pub password: String,
    /// Whether commits are synced to disk. A killed process loses nothing without.
    pub fsync: bool,
    /// More settings, each as `name=value`.
    pub settings: &'static [&'static str],
    /// How long it runs.
    pub lifetime: Lifetime,
}

/// A running cluster.
#[derive(Debug)]
pub struct Postgres {
    place: Place,
    spec: Spec,
    process: Mutex<Process>,
}

/// A port on 127.0.0.1 that nobody listens on. It may be taken before it is used, by chance.
pub fn free_port() -> Result<u16, String> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no free port: {error}"))
}

impl Postgres {
    /// Starts a cluster, making it first when its folder holds none, and waits until it answers.
    pub fn start(place: &Place, spec: Spec) -> Result<Self, String> {
        if !spec.folder.join("data/PG_VERSION").exists() {
            init(place, &spec)?;
        }
        let process = launch(place, &spec)?;
        let postgres = Self {
            place: place.clone(),
            spec,
            process: Mutex::new(process),
        };
        postgres.wait_until_it_answers()?;
        Ok(postgres)
    }

    /// Starts a streaming replica of this cluster in another folder, on a port of its own.
    pub fn standby(&self, folder: PathBuf) -> Result<Self, String> {
        let spec = Spec {
            folder,
            port: free_port()?,
            ..self.spec.clone()
        };
        fs::create_dir_all(&spec.folder)
            .map_err(|error| format!("{}: {error}", spec.folder.display()))?;
        self.place.give_to_server(&spec.folder)?;
        let mut backup = self.program("pg_basebackup");
        backup
            .current_dir(&spec.folder)
            .args(["--pgdata=data", "--write-recovery-conf", "--no-sync"])
            .args([
                "--checkpoint=fast",
                "--host=127.0.0.1",
                "--username=postgres",
            ])
            .arg(format!("--port={}", self.spec.port))
            .env("PGPASSWORD", &self.spec.password);
        run(&backup, self.place.server_user.as_deref())?;
        Self::start(&self.place, spec)
    }

    /// Waits until a standby of this cluster has replayed all that is written here.
    pub fn wait_until_replayed_by(&self, standby: &Self) -> Result<(), String> {
        let ask = |client: &mut Client, query: &str| -> Result<String, String> {
            let row = client.query_one(query, &[]);
            row.map(|row| row.get(0))
                .map_err(|error| format!("{query}: {error}"))
        };
        let written = ask(
            &mut self.admin("postgres")?,
            "SELECT pg_current_wal_insert_lsn()::text",
        )?;
        let mut client = standby.admin("postgres")?;
        let query = format!("SELECT (pg_last_wal_replay_lsn() >= '{written}')::text");
        wait_until(
            &format!("{written} is replayed"),
            START_DEADLINE,
            || match ask(&mut client, &query) {
                Ok(replayed) => (replayed == "true").then_some(Ok(())),
                Err(error) => Some(Err(error)),
            },
        )?
    }

    /// Where a relation's first gigabyte lies.
    pub fn file_of(&self, database: &str, relation: &str) -> Result<PathBuf, String> {
        let query = format!("SELECT pg_relation_filepath('{relation}')");
        let row = self.admin(database)?.query_one(&query, &[]);
        let path: String = row.map_err(|error| format!("{query}: {error}"))?.get(0);
        Ok(self.spec.folder.join("data").join(path))
    }

    /// Takes over a cluster that an earlier run left running.
    pub fn adopt(place: &Place, spec: Spec, identity: Identity) -> Self {
        let log = spec.folder.join("log");
        let process = Process::adopt(server(place, &spec, &log), identity);
        Self {
            place: place.clone(),
            spec,
            process: Mutex::new(process),
        }
    }

    /// Kills it with SIGKILL, its backends too.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Stops it in order.
    pub fn stop(&self) -> Result<(), String> {
        self.process().stop(START_DEADLINE).map(drop)
    }

    /// Starts it on its old data and port, and waits until it answers.
    pub fn start_again(&self) -> Result<(), String> {
        *self.process() = launch(&self.place, &self.spec)?;
        self.wait_until_it_answers()
    }

    /// The running process.
    pub fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection string for a login that has the cluster's password.
    pub fn url(&self, user: &str, database: &str) -> String {
        let Spec { password, port, .. } = &self.spec;
        format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}")
    }

    /// A superuser's connection string.
    pub fn admin_url(&self, database: &str) -> String {
        self.url("postgres", database)
    }

    /// The consumer's connection string.
    pub fn consumer_url(&self, database: &str) -> String {
        self.url(CONSUMER_LOGIN, database)
    }

    /// The consumer's connection string, through a proxy on that port.
    pub fn consumer_url_through(&self, port: u16, database: &str) -> String {
        let password = &self.spec.password;
        format!("postgres://{CONSUMER_LOGIN}:{password}@127.0.0.1:{port}/{database}")
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.spec.port
    }

    /// Where its log is.
    pub fn log(&self) -> PathBuf {
        self.spec.folder.join("log")
    }

    /// PostgREST's connection string.
    pub fn api_url(&self, database: &str) -> String {
        self.url(API_LOGIN, database)
    }

    /// A superuser's connection.
    pub fn admin(&self, database: &str) -> Result<Client, String> {
        connect(&self.admin_url(database))
    }

    /// Creates an empty database.
    pub fn create_bare_database(&self, name: &str) -> Result<(), String> {
        self.admin("postgres")?
            .batch_execute(&format!("CREATE DATABASE \"{name}\""))
            .map_err(|error| format!("database {name}: {error}"))
    }

    /// Creates a database with the extension, the roles and the api.
    pub fn create_database(&self, name: &str) -> Result<(), String> {
        self.create_bare_database(name)?;
        self.psql(name, &["--command", "CREATE EXTENSION deed"])?;
        self.apply_scripts(name)
    }

    /// Runs `sql/setup.sql` and creates the consumer's login.
    pub fn apply_scripts(&self, database: &str) -> Result<(), String> {
        let password = format!("--set=authenticator_password={}", self.spec.password);
        let setup = self.place.root.join("sql/setup.sql");
        let file = format!("--file={}", setup.display());
        self.psql(database, &[&password, &file])?;
        self.create_consumer_login()
    }

    /// Creates the consumer's login where it is missing; its role must be there.
    pub fn create_consumer_login(&self) -> Result<(), String> {
        self.create_login(CONSUMER_LOGIN, "deed_consumer")
    }

    /// The connection string of a login that is a member of that role alone; creates it where it is missing.
    pub fn login_url(&self, login: &str, role: &str, database: &str) -> Result<String, String> {
        self.create_login(login, role)?;
        Ok(self.url(login, database))
    }

    fn create_login(&self, login: &str, role: &str) -> Result<(), String> {
        // Logins belong to the whole cluster, and databases are made side by side.
        let login = format!(
            "SELECT pg_advisory_lock(1);
             DO $$ BEGIN
               IF to_regrole('{login}') IS NULL THEN
                 CREATE ROLE {login} LOGIN PASSWORD '{}' IN ROLE {role};
               END IF;
             END $$",
            self.spec.password
        );
        self.psql("postgres", &["--output=/dev/null", "--command", &login])
            .map(drop)
    }

    /// Runs psql as the superuser, which stops at the first error; gives what it printed.
    pub fn psql(&self, database: &str, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.program("psql");
        command
            .args([
                "--no-psqlrc",
                "--quiet",
                "--set=ON_ERROR_STOP=1",
                "--dbname",
            ])
            .arg(self.admin_url(database))
            .args(arguments);
        run(&command, None)
    }

    /// One of Postgres' own programs, of this cluster's major.
    pub fn program(&self, name: &str) -> Command {
        Command::new(self.place.postgres_bin(self.spec.major).join(name))
    }

    fn wait_until_it_answers(&self) -> Result<(), String> {
        let url = self.admin_url("postgres");
        wait_until("Postgres answers", START_DEADLINE, || match connect(&url) {
            Ok(_) => Some(Ok(())),
            Err(_) if self.process().lives() => None,
            Err(error) => Some(Err(format!(
                "Postgres ended ({error}), see {}/log",
                self.spec.folder.display()
            ))),
        })?
    }
}

/// Opens a connection.
pub fn connect(url: &str) -> Result<Client, String> {
    Client::connect(url, NoTls).map_err(|error| {
        use std::error::Error;
        let cause = error.source().map(|cause| format!(": {cause}"));
        format!(
            "connecting to Postgres: {error}{}",
            cause.unwrap_or_default()
        )
    })
}

fn init(place: &Place, spec: &Spec) -> Result<(), String> {
    let describe = |error: std::io::Error| format!("{}: {error}", spec.folder.display());
    fs::create_dir_all(&spec.folder).map_err(describe)?;
    place.give_to_server(&spec.folder)?;
    let password_file = spec.folder.join("password");
    fs::write(&password_file, &spec.password).map_err(describe)?;
    place.give_to_server(&password_file)?;
    let mut initdb = Command::new(place.postgres_bin(spec.major).join("initdb"));
    initdb
        .current_dir(&spec.folder)
        .args(["--no-sync", "--username=postgres", "--auth=scram-sha-256"])
        .args(["--encoding=UTF8", "--locale=C", "--pgdata=data"])
        .arg("--pwfile=password");
    let made = run(&initdb, place.server_user.as_deref());
    fs::remove_file(&password_file).map_err(describe)?;
    made.map(drop)
}

/// A killed server that nobody has waited for yet is a zombie, which Postgres takes for one that
/// runs. A number that no process can have keeps its other guard: the shared memory in use.
fn forget_zombie(spec: &Spec) -> Result<(), String> {
    let file = spec.folder.join("data/postmaster.pid");
    let Ok(text) = fs::read_to_string(&file) else {
        return Ok(());
    };
    let (pid, rest) = text.split_once('\n').unwrap_or((&text, ""));
    if pid.parse().ok().and_then(Identity::of).is_some() {
        return Ok(());
    }
    fs::write(&file, format!("{}\n{rest}", i32::MAX))
        .map_err(|error| format!("{}: {error}", file.display()))
}

fn launch(place: &Place, spec: &Spec) -> Result<Process, String> {
    forget_zombie(spec)?;
    let mut command = Command::new(place.postgres_bin(spec.major).join("postgres"));
    command.current_dir(&spec.folder).args(["-D", "data"]);
    for setting in [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={}", spec.port),
        "unix_socket_directories=".to_owned(),
        format!("fsync={}", if spec.fsync { "on" } else { "off" }),
        // Many small clusters share the machine.
        "shared_buffers=64MB".to_owned(),
        "max_connections=300".to_owned(),
    ] {
        command.args(["-c", &setting]);
    }
    // The later one of two counts.
    for setting in spec.settings {
        command.args(["-c", setting]);
    }
    let log = spec.folder.join("log");
    Process::start(server(place, spec, &log), &command)
}

fn server<'a>(place: &'a Place, spec: &Spec, log: &'a Path) -> Launch<'a> {
    Launch {
        name: "Postgres",
        log,
        user: place.server_user.as_deref(),
        polite: Signal::INT,
        lifetime: spec.lifetime,
    }
}
