//! What goes wrong and when: drawn from the seed before anything happens.

use std::fmt;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// Consumers at work while nobody is added or removed.
pub const MEMBERS: usize = 3;
/// Places for consumers: one more than are at work.
pub const SEATS: usize = MEMBERS + 1;
/// On average from one fault to the next.
const GAP: f64 = 3.0;
/// The part of the run in which faults begin.
const SPAN: f64 = 0.9;
/// An event's time jumps at most so far, either way. What is later than that is quarantined.
pub const JUMP_HOURS: i64 = 5;

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    ConsumerKilled,
    ConsumerStopped,
    MemberAdded,
    MemberRemoved,
    PostgresKilled,
    PostgresStopped,
    PostgresRestarted,
    PostmasterStopped,
    BackendKilled,
    BackendStopped,
    KafkaKilled,
    KafkaStopped,
    KafkaRestarted,
    NetworkRefused,
    NetworkStalled,
    NetworkReset,
    SlowCommits,
    DiskFull,
    ClockJump,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 19] = [
        Kind::ConsumerKilled,
        Kind::ConsumerStopped,
        Kind::MemberAdded,
        Kind::MemberRemoved,
        Kind::PostgresKilled,
        Kind::PostgresStopped,
        Kind::PostgresRestarted,
        Kind::PostmasterStopped,
        Kind::BackendKilled,
        Kind::BackendStopped,
        Kind::KafkaKilled,
        Kind::KafkaStopped,
        Kind::KafkaRestarted,
        Kind::NetworkRefused,
        Kind::NetworkStalled,
        Kind::NetworkReset,
        Kind::SlowCommits,
        Kind::DiskFull,
        Kind::ClockJump,
    ];

    /// In the report.
    pub fn name(self) -> &'static str {
        match self {
            Kind::ConsumerKilled => "consumer killed (SIGKILL)",
            Kind::ConsumerStopped => "consumer stopped (SIGSTOP)",
            Kind::MemberAdded => "consumer added",
            Kind::MemberRemoved => "consumer removed (SIGTERM)",
            Kind::PostgresKilled => "Postgres killed (SIGKILL)",
            Kind::PostgresStopped => "Postgres stopped (SIGSTOP)",
            Kind::PostgresRestarted => "Postgres restarted (fast)",
            Kind::PostmasterStopped => "postmaster stopped (SIGSTOP)",
            Kind::BackendKilled => "backend killed (SIGKILL)",
            Kind::BackendStopped => "backend stopped (SIGSTOP)",
            Kind::KafkaKilled => "Kafka killed (SIGKILL)",
            Kind::KafkaStopped => "Kafka stopped (SIGSTOP)",
            Kind::KafkaRestarted => "Kafka restarted (SIGTERM)",
            Kind::NetworkRefused => "network: refused",
            Kind::NetworkStalled => "network: stalled",
            Kind::NetworkReset => "network: reset",
            Kind::SlowCommits => "slow commits (commit_delay)",
            Kind::DiskFull => "disk full (tmpfs)",
            Kind::ClockJump => "clock jump of the events",
        }
    }

    /// Shortest and longest, in seconds. Some are longer than the session timeout, some are not.
    fn lasts(self) -> (f64, f64) {
        match self {
            Kind::ConsumerKilled | Kind::PostgresKilled | Kind::KafkaKilled => (0.0, 3.0),
            Kind::PostgresRestarted | Kind::KafkaRestarted => (0.0, 2.0),
            Kind::BackendKilled | Kind::NetworkReset | Kind::ClockJump => (0.0, 0.0),
            Kind::MemberAdded | Kind::MemberRemoved => (2.0, 10.0),
            Kind::SlowCommits => (3.0, 8.0),
            Kind::DiskFull => (4.0, 8.0),
            _ => (0.5, 8.0),
        }
    }
}

/// The two that a consumer is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Postgres,
    Kafka,
}

/// What a fault happens to. One thing has one fault at a time; several may have one each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The consumer in that seat.
    Seat(usize),
    /// What connects that seat's consumer.
    Link(usize, Server),
    Postgres,
    Kafka,
    /// The times of the events, which are ahead by so many hours from then on.
    Events(i64),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Seat(seat) => write!(f, "consumer {seat}"),
            Target::Link(seat, server) => write!(f, "consumer {seat} to {server:?}"),
            Target::Postgres => f.write_str("Postgres"),
            Target::Kafka => f.write_str("Kafka"),
            Target::Events(hours) => write!(f, "{hours:+} h"),
        }
    }
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    /// From the start of the run.
    pub at: Duration,
    /// From then until it is healed.
    pub lasts: Duration,
    pub kind: Kind,
    pub target: Target,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault {
            at,
            lasts,
            kind,
            target,
        } = self;
        let (at, lasts) = (at.as_secs_f64(), lasts.as_secs_f64());
        write!(
            f,
            "{at:8.1} s, for {lasts:4.1} s: {}, {target}",
            kind.name()
        )
    }
}

/// The faults of a run of that length, each of the kinds about as often as any other.
pub fn draw(rng: &mut StdRng, length: Duration) -> Vec<Fault> {
    let span = length.as_secs_f64() * SPAN;
    let gap = GAP.min(span / Kind::ALL.len() as f64);
    let mut faults: Vec<Fault> = Vec::new();
    let mut at = 0.0;
    // All of a first round are there, however the gaps fall.
    while at < span || faults.len() < Kind::ALL.len() {
        let mut round = Kind::ALL.to_vec();
        round.shuffle(rng);
        for kind in round {
            at += gap * rng.random_range(0.4..1.6);
            if at >= span && faults.len() >= Kind::ALL.len() {
                break;
            }
            let target = target(rng, kind);
            // Behind what happens to the same.
            let busy = faults
                .iter()
                .filter(|earlier| earlier.target == target)
                .map(|earlier| earlier.at + earlier.lasts);
            let free = busy.max().unwrap_or_default();
            let (shortest, longest) = kind.lasts();
            faults.push(Fault {
                at: Duration::from_secs_f64(at).max(free),
                lasts: Duration::from_secs_f64(rng.random_range(shortest..=longest)),
                kind,
                target,
            });
        }
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}

fn target(rng: &mut StdRng, kind: Kind) -> Target {
    match kind {
        Kind::ConsumerKilled | Kind::ConsumerStopped | Kind::MemberRemoved => {
            Target::Seat(rng.random_range(0..MEMBERS))
        }
        Kind::MemberAdded => Target::Seat(MEMBERS),
        Kind::NetworkRefused | Kind::NetworkStalled | Kind::NetworkReset => {
            let server = [Server::Postgres, Server::Kafka][rng.random_range(0..2)];
            Target::Link(rng.random_range(0..MEMBERS), server)
        }
        Kind::KafkaKilled | Kind::KafkaStopped | Kind::KafkaRestarted => Target::Kafka,
        Kind::ClockJump => Target::Events(rng.random_range(-JUMP_HOURS..=JUMP_HOURS)),
        _ => Target::Postgres,
    }
}
