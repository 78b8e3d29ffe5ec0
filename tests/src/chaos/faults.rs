//! Faults, carried out and healed.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;

use super::ground::Ground;
use super::network::{Gate, Way};
use super::progress::Progress;
use super::schedule::{Fault, Kind, Server, Target};
use crate::process::{Identity, Signal, wait_until};
use crate::stage::DEADLINE;

const LOOK: Duration = Duration::from_millis(20);

/// Carries the schedule out, moment by moment; how often each kind happened.
pub fn carry_out(
    ground: &Ground<'_>,
    schedule: &[Fault],
    progress: &Progress,
) -> BTreeMap<Kind, usize> {
    // Of one moment what belongs to an earlier fault comes first: it is healed before another one happens to the same.
    let mut steps: Vec<(Duration, usize, Fault)> = Vec::new();
    for (n, fault) in schedule.iter().enumerate() {
        steps.push((fault.at, 2 * n, *fault));
        steps.push((fault.at + fault.lasts, 2 * n + 1, *fault));
    }
    steps.sort_by_key(|(at, place, _)| (*at, *place));
    let began = Instant::now();
    let mut hands = Hands {
        ground,
        held: None,
        witness: None,
    };
    let mut counts = BTreeMap::new();
    for (at, place, fault) in steps {
        while began.elapsed() < at && progress.goes_on() {
            thread::sleep(LOOK);
        }
        if !progress.goes_on() {
            break;
        }
        let done = match place % 2 {
            0 => {
                progress.open.fetch_add(1, Ordering::Relaxed);
                let done = hands.begin(fault);
                progress.begun.fetch_add(1, Ordering::Relaxed);
                *counts.entry(fault.kind).or_default() += 1;
                done
            }
            _ => {
                let done = hands.heal(fault);
                progress.healed(fault.to_string());
                done
            }
        };
        if let Err(error) = done {
            progress.trouble(format!("{fault}: {error}"));
        }
    }
    counts
}

struct Hands<'a> {
    ground: &'a Ground<'a>,
    /// The backend that is stopped.
    held: Option<Identity>,
    /// A session that ends with all others when the server finds that a backend was killed.
    witness: Option<Client>,
}

impl Hands<'_> {
    fn begin(&mut self, fault: Fault) -> Result<(), String> {
        let Ground {
            kafka,
            postgres,
            seats,
            disk,
            ..
        } = self.ground;
        match (fault.kind, fault.target) {
            (Kind::ConsumerKilled, Target::Seat(seat)) => seats.kill(seat),
            (Kind::ConsumerStopped, Target::Seat(seat)) => seats.signal(seat, Signal::STOP),
            (Kind::MemberAdded, Target::Seat(seat)) => seats.want(seat, true),
            (Kind::MemberRemoved, Target::Seat(seat)) => seats.want(seat, false),
            (Kind::PostgresKilled, _) => postgres.kill(),
            (Kind::PostgresStopped, _) => postgres.process().signal_all(Signal::STOP),
            (Kind::PostgresRestarted, _) => postgres.stop()?,
            (Kind::PostmasterStopped, _) => postgres.process().signal(Signal::STOP),
            (Kind::BackendKilled, _) => {
                let (backend, witness) = self.backend()?;
                backend.signal(Signal::KILL);
                self.witness = Some(witness);
            }
            (Kind::BackendStopped, _) => {
                let (backend, _) = self.backend()?;
                backend.signal(Signal::STOP);
                self.held = Some(backend);
            }
            (Kind::KafkaKilled, _) => kafka.kill(),
            (Kind::KafkaStopped, _) => kafka.process().signal(Signal::STOP),
            (Kind::KafkaRestarted, _) => kafka.stop()?,
            (Kind::NetworkRefused, _) => self.gate(fault).set(Way::Refused),
            (Kind::NetworkStalled, _) => self.gate(fault).set(Way::Stalled),
            (Kind::NetworkReset, _) => self.gate(fault).reset(),
            (Kind::SlowCommits, _) => {
                self.set_commit_delay("ALTER SYSTEM SET commit_delay = 100000")?
            }
            (Kind::DiskFull, _) => {
                let disk = disk.ok_or("no disk")?;
                disk.fill()?;
                disk.wait_until_met(postgres, &self.ground.line.name)?;
            }
            // The sender's part.
            (Kind::ClockJump, _) => {}
            (kind, target) => return Err(format!("{kind:?} can't happen to {target}")),
        }
        Ok(())
    }

    fn heal(&mut self, fault: Fault) -> Result<(), String> {
        let Ground {
            kafka,
            postgres,
            seats,
            disk,
            ..
        } = self.ground;
        match (fault.kind, fault.target) {
            (Kind::ConsumerKilled | Kind::MemberRemoved, Target::Seat(seat)) => {
                seats.want(seat, true)
            }
            (Kind::ConsumerStopped, Target::Seat(seat)) => seats.signal(seat, Signal::CONT),
            (Kind::MemberAdded, Target::Seat(seat)) => seats.want(seat, false),
            (Kind::PostgresKilled | Kind::PostgresRestarted, _) => postgres.start_again()?,
            (Kind::PostgresStopped, _) => postgres.process().signal_all(Signal::CONT),
            (Kind::PostmasterStopped, _) => postgres.process().signal(Signal::CONT),
            (Kind::BackendStopped, _) => {
                self.held
                    .take()
                    .into_iter()
                    .for_each(|backend| backend.signal(Signal::CONT));
            }
            (Kind::BackendKilled, _) => self.wait_until_recovered()?,
            (Kind::KafkaKilled | Kind::KafkaRestarted, _) => kafka.start_again()?,
            (Kind::KafkaStopped, _) => kafka.process().signal(Signal::CONT),
            (Kind::NetworkRefused | Kind::NetworkStalled, _) => self.gate(fault).set(Way::Open),
            (Kind::SlowCommits, _) => self.set_commit_delay("ALTER SYSTEM RESET commit_delay")?,
            (Kind::DiskFull, _) => disk.ok_or("no disk")?.free()?,
            _ => {}
        }
        Ok(())
    }

    fn gate(&self, fault: Fault) -> &Gate {
        let Target::Link(seat, server) = fault.target else {
            panic!("{fault} has no connection");
        };
        match server {
            Server::Postgres => &self.ground.gates[seat].postgres,
            Server::Kafka => &self.ground.gates[seat].kafka,
        }
    }

    /// One that serves a consumer, at work if there is one: which, only chance says. And the session that was asked.
    fn backend(&self) -> Result<(Identity, Client), String> {
        let line = &self.ground.line;
        wait_until("a backend of a consumer", DEADLINE, || {
            let mut client = line.postgres.admin(&line.name).ok()?;
            let row = client.query_opt(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND usename = 'deed_ingest'
                 ORDER BY state <> 'active', random() LIMIT 1",
                &[],
            );
            Some((Identity::of(row.ok()??.get(0))?, client))
        })
    }

    /// Asked to shut down meanwhile, a Postgres 18 (18.4) may hang for good, without any extension too.
    fn wait_until_recovered(&mut self) -> Result<(), String> {
        let mut witness = self.witness.take().ok_or("no backend was killed")?;
        wait_until("the server finds its backend killed", DEADLINE, || {
            witness.batch_execute("SELECT").is_err().then_some(())
        })?;
        wait_until("the server has recovered", DEADLINE, || {
            self.ground.postgres.admin("postgres").ok().map(drop)
        })
    }

    /// Also when no other transaction is at work; a crash may just be over.
    fn set_commit_delay(&self, statement: &str) -> Result<(), String> {
        let postgres = self.ground.postgres;
        wait_until("Postgres takes a setting", DEADLINE, || {
            let mut client = postgres.admin("postgres").ok()?;
            client
                .batch_execute("ALTER SYSTEM SET commit_siblings = 0")
                .ok()?;
            client.batch_execute(statement).ok()?;
            client.batch_execute("SELECT pg_reload_conf()").ok()
        })
    }
}
