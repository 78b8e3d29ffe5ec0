//! A single Kafka broker in KRaft mode, on a loopback port that restarts keep.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::place::Place;
use crate::postgres::free_port;
use crate::process::{Identity, Launch, Lifetime, Process, Signal};
use crate::spawn::run;

mod clients;
mod security;

pub use clients::{Sender, Transactional};
pub use security::{Listener, PASSWORD, Security, USER};

/// A constant id: a random one may start with `-`, which the format tool takes for a flag.
const CLUSTER_ID: &str = "deedDeedDeedDeedDeedDA";
const DEADLINE: Duration = Duration::from_secs(60);

const LOG4J: &str = "\
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c)%n
";

/// What a broker is like.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its folder: data, properties, log. Made when missing, kept when there.
    pub folder: PathBuf,
    /// Its port on 127.0.0.1; 0 is any that is free.
    pub port: u16,
    /// More listeners than the plain one.
    pub security: Option<Security>,
    /// Listeners for clients that come through a proxy; the port of a broker that has some is not 0.
    pub detours: Vec<Detour>,
    /// How long it runs.
    pub lifetime: Lifetime,
}

/// A listener of its own, for clients that a proxy brings: they go on where the broker tells them.
#[derive(Debug, Clone, Copy)]
pub struct Detour {
    /// Where the broker listens.
    pub port: u16,
    /// Where it tells these clients to come: the proxy's.
    pub advertised: u16,
}

/// A running broker.
#[derive(Debug)]
pub struct Kafka {
    place: Place,
    spec: Spec,
    process: Mutex<Process>,
}

impl Kafka {
    /// Starts a broker, formatting its folder first when it is new, and waits until it is ready.
    pub fn start(place: &Place, mut spec: Spec) -> Result<Self, String> {
        if spec.security.is_some() && spec.port == 0 {
            // Which port is whose the log doesn't tell.
            spec.port = free_port()?;
        }
        let describe = |error: std::io::Error| format!("{}: {error}", spec.folder.display());
        let fresh = !spec.folder.join("data/meta.properties").exists();
        fs::create_dir_all(spec.folder.join("data")).map_err(describe)?;
        fs::write(spec.folder.join("log4j2.properties"), LOG4J).map_err(describe)?;
        write_properties(&spec)?;
        if fresh {
            let mut format = java(place, &spec, "kafka.tools.StorageTool");
            format.args([
                "format",
                "--standalone",
                "-t",
                CLUSTER_ID,
                "-c",
                "server.properties",
            ]);
            if spec.security.is_some() {
                format.args(Security::format_arguments());
            }
            run(&format, None)?;
        }
        let process = launch(place, &mut spec)?;
        Ok(Self {
            place: place.clone(),
            spec,
            process: Mutex::new(process),
        })
    }

    /// Takes over a broker that an earlier run left running.
    pub fn adopt(place: &Place, spec: Spec, identity: Identity) -> Self {
        let log = spec.folder.join("log");
        let process = Process::adopt(broker(&log, spec.lifetime), identity);
        Self {
            place: place.clone(),
            spec,
            process: Mutex::new(process),
        }
    }

    /// Kills it with SIGKILL.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Stops it in order.
    pub fn stop(&self) -> Result<(), String> {
        self.process().stop(DEADLINE).map(drop)
    }

    /// Starts it on its old data and port.
    pub fn start_again(&self) -> Result<(), String> {
        // The properties name the port by now, so it is the old one.
        *self.process() = launch(&self.place, &mut self.spec.clone())?;
        Ok(())
    }

    /// The running process.
    pub fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.spec.port
    }

    /// The address of another listener than the plain one.
    pub fn bootstrap_of(&self, listener: Listener) -> String {
        let security = self.spec.security.as_ref().expect("such listeners");
        format!("127.0.0.1:{}", security.port(listener))
    }

    /// Its address, for clients.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.spec.port)
    }
}

fn write_properties(spec: &Spec) -> Result<(), String> {
    let listener = |(n, port): (usize, u16)| format!("DETOUR{n}://127.0.0.1:{port},");
    let listeners = |port: fn(&Detour) -> u16| -> String {
        spec.detours
            .iter()
            .map(port)
            .enumerate()
            .map(listener)
            .collect()
    };
    let advertised = match spec.detours.as_slice() {
        [] => String::new(),
        detours => format!(
            "advertised.listeners={}PLAINTEXT://127.0.0.1:{}\n\
             listener.security.protocol.map={}PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n",
            listeners(|detour| detour.advertised),
            spec.port,
            (0..detours.len())
                .map(|n| format!("DETOUR{n}:PLAINTEXT,"))
                .collect::<String>()
        ),
    };
    let properties = format!(
        "\
process.roles=broker,controller
node.id=1
listeners={detours}PLAINTEXT://127.0.0.1:{port}{more},CONTROLLER://127.0.0.1:0
{advertised}\
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:0
log.dirs={data}
auto.create.topics.enable=false
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
message.max.bytes=2000000
# Default 3 s: a group of one need not wait for others.
group.initial.rebalance.delay.ms=0
# Defaults 6 s to 45 s: a killed consumer's partitions are free again soon.
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=3000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=500
# Default 9 s: a killed broker waits, on its return, for the end of its own old session.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=250
{properties}",
        more = spec
            .security
            .as_ref()
            .map_or_else(String::new, Security::listeners),
        properties = spec.security.as_ref().map_or("", Security::properties),
        port = spec.port,
        detours = listeners(|detour| detour.port),
        data = spec.folder.join("data").display(),
    );
    let path = spec.folder.join("server.properties");
    fs::write(&path, properties).map_err(|error| format!("{}: {error}", path.display()))
}

fn java(place: &Place, spec: &Spec, class: &str) -> Command {
    let mut command = Command::new("java");
    command
        .current_dir(&spec.folder)
        .args([
            "-Xms128m",
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
        ])
        .args([
            "-XX:+ExitOnOutOfMemoryError",
            "-Dlog4j2.configurationFile=file:log4j2.properties",
        ])
        .args(["-cp", &place.kafka_classes(), class]);
    command
}

fn broker(log: &std::path::Path, lifetime: Lifetime) -> Launch<'_> {
    Launch {
        name: "Kafka",
        log,
        user: None,
        polite: Signal::TERM,
        lifetime,
    }
}

/// Starts the broker, and writes the port that it got into its properties.
fn launch(place: &Place, spec: &mut Spec) -> Result<Process, String> {
    let mut command = java(place, spec, "kafka.Kafka");
    command.arg("server.properties");
    let log = spec.folder.join("log");
    let mut process = Process::start(broker(&log, spec.lifetime), &command)?;
    let port = process.wait_for_log("Kafka Server started", DEADLINE, |log| {
        log.contains("Kafka Server started").then_some(())?;
        if spec.security.is_some() {
            return Some(spec.port);
        }
        // The controller's listener comes first, the broker's last.
        let (_, port) = log.rsplit_once("Awaiting socket connections on 127.0.0.1:")?;
        port.split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    })?;
    if spec.port == 0 {
        spec.port = port;
    }
    write_properties(spec)?;
    Ok(process)
}
