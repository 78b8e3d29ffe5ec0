//! What the faults happen to: a Kafka, a Postgres, and consumers behind proxies.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::dead_letters;
use super::disk::Disk;
use super::load::{Load, PARTITIONS};
use super::network::Gate;
use super::schedule::SEATS;
use super::seats::Seats;
use crate::consumer::Membership;
use crate::kafka::{self, Detour, Kafka};
use crate::place::major_under_test;
use crate::postgres::{self, Postgres, free_port};
use crate::process::Lifetime;
use crate::stage::{Line, OUTBOUND, PLACE, run_folder};
use crate::{arrivals, audit};

/// Ahead of the database's clock by the jumps of the schedule, and some more for the clock's own way.
const CLOCK_SKEW: &str = "6h";

/// A consumer's ways to its servers.
pub struct Gates {
    pub postgres: Gate,
    pub kafka: Gate,
}

/// All of it.
pub struct Ground<'a> {
    pub kafka: &'a Kafka,
    pub postgres: &'a Postgres,
    pub line: Line<'a>,
    /// Of each seat.
    pub gates: Vec<Gates>,
    pub disk: Option<&'a Disk>,
    pub seats: Seats,
}

/// A way for each seat, and the port that it leads to.
pub fn ways_to_kafka() -> Result<Vec<(u16, Gate)>, String> {
    let way = |_| {
        let port = free_port()?;
        Ok((port, Gate::open(port)?))
    };
    (0..SEATS).map(way).collect()
}

/// A broker at the end of these.
pub fn kafka(folder: &Path, ways: &[(u16, Gate)]) -> Result<Kafka, String> {
    let detour = |(port, gate): &(u16, Gate)| Detour {
        port: *port,
        advertised: gate.port(),
    };
    let spec = kafka::Spec {
        folder: folder.join("chaos-kafka"),
        port: free_port()?,
        security: None,
        detours: ways.iter().map(detour).collect(),
        lifetime: Lifetime::Bound,
    };
    let kafka = Kafka::start(&PLACE, spec)?;
    kafka.create_topic(OUTBOUND, 4)?;
    Ok(kafka)
}

/// A cluster that syncs its commits, and logs SQLSTATEs.
pub fn postgres(folder: &Path) -> Result<Postgres, String> {
    let spec = postgres::Spec {
        major: major_under_test()?,
        folder: folder.join("chaos-postgres"),
        port: free_port()?,
        password: "tests".to_owned(),
        fsync: true,
        settings: &["log_line_prefix=%m [%p] %e "],
        lifetime: Lifetime::Bound,
    };
    Postgres::start(&PLACE, spec)
}

impl<'a> Ground<'a> {
    /// Prepares topic and database, and all but the start of the consumers.
    pub fn new(
        kafka: &'a Kafka,
        postgres: &'a Postgres,
        ways: Vec<(u16, Gate)>,
        disk: Option<&'a Disk>,
        membership: Membership,
        load: &Load,
    ) -> Result<Self, String> {
        let line = Line::new(kafka, postgres, "chaos", &[("events", PARTITIONS)]);
        prepare(&line, load, disk)?;
        let gates = ways.into_iter().map(|(_, kafka)| {
            let postgres = Gate::open(postgres.port())?;
            Ok(Gates { postgres, kafka })
        });
        let gates = gates.collect::<Result<Vec<Gates>, String>>()?;
        let spec = |(seat, gates): (usize, &Gates)| {
            let mut spec = line.consumer_spec(&seat.to_string());
            spec.database_url = postgres.consumer_url_through(gates.postgres.port(), &line.name);
            spec.kafka_bootstrap = format!("127.0.0.1:{}", gates.kafka.port());
            spec.membership = membership;
            spec.settings = dead_letters::settings();
            spec
        };
        let specs = gates.iter().enumerate().map(spec).collect();
        Ok(Self {
            seats: Seats::new(&PLACE, specs),
            kafka,
            postgres,
            line,
            gates,
            disk,
        })
    }

    /// Where the consumers log.
    pub fn consumer_logs(&self) -> Vec<PathBuf> {
        let log = |seat| run_folder().join(format!("consumers/{}-{seat}.log", self.line.name));
        (0..SEATS).map(log).collect()
    }

    /// Errors in Postgres' log, by SQLSTATE.
    pub fn errors(&self) -> BTreeMap<String, usize> {
        let bytes = fs::read(self.postgres.log()).unwrap_or_default();
        let mut errors = BTreeMap::new();
        for line in String::from_utf8_lossy(&bytes).lines() {
            // As `log_line_prefix` has it.
            let behind = line.split_once("] ").map(|(_, rest)| rest);
            let Some((code, rest)) = behind.and_then(|rest| rest.split_once(' ')) else {
                continue;
            };
            let levels = ["ERROR:", "FATAL:", "PANIC:"];
            if levels
                .iter()
                .any(|level| rest.trim_start().starts_with(level))
            {
                *errors.entry(code.to_owned()).or_default() += 1;
            }
        }
        errors
    }
}

fn prepare(line: &Line<'_>, load: &Load, disk: Option<&Disk>) -> Result<(), String> {
    set_clock_skew(line)?;
    let mut admin = line.admin();
    audit::begin(&mut admin);
    arrivals::write_down(&mut admin);
    if let Some(disk) = disk {
        disk.take(line.postgres, &line.name, "deed.permission")?;
    }
    for (document, principal) in load.watched() {
        let watch = "SELECT deed.watch($1, $2, 'infinity', 'chaos')";
        admin
            .execute(watch, &[&principal, &document])
            .map_err(|error| format!("{watch}: {error}"))?;
    }
    Ok(())
}

/// For the sessions to come.
pub fn set_clock_skew(line: &Line<'_>) -> Result<(), String> {
    let set = format!(
        "ALTER DATABASE \"{}\" SET deed.max_clock_skew = '{CLOCK_SKEW}'",
        line.name
    );
    line.admin()
        .batch_execute(&set)
        .map_err(|error| format!("{set}: {error}"))
}
