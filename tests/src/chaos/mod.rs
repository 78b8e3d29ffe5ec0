//! `make chaos`: faults of all kinds while events flow, and nothing lost, doubled or wrong behind them.
//!
//! - [`schedule`]: what goes wrong and when, drawn from the seed; [`load`]: the events, drawn from it too
//! - [`ground`]: servers, consumers and what connects them; [`faults`]: carries the schedule out; [`network`]: connections that can be cut; [`disk`]: one that can be full
//! - [`seats`]: the consumers and their supervisor; [`progress`]: how far it has come, and standstill
//! - [`judgement`]: what must hold at the end, [`events_out`] and [`dead_letters`] of what went out; [`report`]: what is printed

mod dead_letters;
mod disk;
mod events_out;
mod faults;
mod ground;
mod judgement;
mod load;
mod network;
mod progress;
mod report;
mod schedule;
mod seats;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use time::OffsetDateTime;

use crate::arrivals;
use crate::consumer::Membership;
use crate::stage::{DEADLINE, PLACE, SESSION_TIMEOUT, run_folder};
use disk::Disk;
use ground::{Ground, set_clock_skew};
use judgement::Judgement;
use load::Load;
use progress::Progress;
pub use report::Report;
use schedule::{Fault, Kind, MEMBERS, SEATS};

/// Between two lines about how far it is.
const TOLD: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);
/// Permissions of 500,000 events take half of it.
const DISK_MEGABYTES: u32 = 256;

/// What a run is like.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What schedule and events are drawn from.
    pub seed: u64,
    /// Records that are sent.
    pub events: usize,
    /// From the first record to the last.
    pub length: Duration,
}

/// Runs it to its end, and prints how it goes. The report says whether all is well; an error is that it could not be run.
pub fn run(plan: Plan) -> Result<Report, String> {
    let began = Instant::now();
    let folder = run_folder();
    let mut rng = StdRng::seed_from_u64(plan.seed);
    let membership = match rng.random() {
        true => Membership::Newer,
        false => Membership::Classic {
            session_timeout: SESSION_TIMEOUT,
        },
    };
    let mut schedule = schedule::draw(&mut rng, plan.length);
    let mut left_out = Vec::new();
    let disk = match Disk::mount(&PLACE, folder.join("chaos-disk"), DISK_MEGABYTES) {
        Ok(disk) => Some(disk),
        Err(why) => {
            schedule.retain(|fault| fault.kind != Kind::DiskFull);
            left_out.push((
                Kind::DiskFull,
                format!("no tmpfs can be mounted here: {why}"),
            ));
            None
        }
    };
    println!(
        "chaos: DEED_SEED={}, {} events in {:?}, {membership:?}; logs in {}",
        plan.seed,
        plan.events,
        plan.length,
        folder.display()
    );
    for (kind, why) in &left_out {
        println!("LEFT OUT: {}: {why}", kind.name());
    }
    schedule.iter().for_each(|fault| println!("{fault}"));
    let start = OffsetDateTime::now_utc();
    let load = Load::new(plan.seed, plan.events, plan.length, start, &schedule);

    // What is made later ends earlier.
    let ways = ground::ways_to_kafka()?;
    let kafka = ground::kafka(folder, &ways)?;
    let postgres = ground::postgres(folder)?;
    let ground = Ground::new(&kafka, &postgres, ways, disk.as_ref(), membership, &load)?;
    let progress = Progress::default();
    let counts = disturb(&ground, &load, &schedule, &progress);
    let judgement = match progress.troubles().is_empty() {
        true => Some(settle(&ground, &load)?),
        false => None,
    };
    Ok(Report {
        seed: plan.seed,
        schedule,
        left_out,
        counts,
        sent: progress.sent.load(Ordering::Relaxed),
        applied: progress.applied.load(Ordering::Relaxed),
        ends: ground.seats.ends(),
        errors: ground.errors(),
        standstill: progress.longest_standstill(),
        judgement,
        troubles: progress.troubles(),
        logs: folder.to_owned(),
        took: began.elapsed(),
    })
}

/// Sends the load, carries the schedule out, and waits until all is applied and told; how often each kind happened.
fn disturb(
    ground: &Ground<'_>,
    load: &Load,
    schedule: &[Fault],
    progress: &Progress,
) -> BTreeMap<Kind, usize> {
    let began = Instant::now();
    (0..MEMBERS).for_each(|seat| ground.seats.want(seat, true));
    let mut counts = BTreeMap::new();
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            if let Err(error) = send(ground, load, progress) {
                progress.trouble(error);
            }
        });
        let faults = scope.spawn(|| faults::carry_out(ground, schedule, progress));
        scope.spawn(|| progress.watch(&ground.line));
        let mut told = Duration::ZERO;
        let mut left = (None, Instant::now());
        while progress.goes_on() {
            thread::sleep(LOOK);
            if let Err(error) = ground.seats.tend() {
                progress.trouble(error);
            }
            let applied = progress.applied.load(Ordering::Relaxed);
            let at = |count: &AtomicUsize| count.load(Ordering::Relaxed);
            if began.elapsed() >= told {
                told += TOLD;
                println!(
                    "{:5.0} s: {applied} of {} sent applied, {} of {} faults",
                    began.elapsed().as_secs_f64(),
                    at(&progress.sent),
                    at(&progress.begun),
                    schedule.len()
                );
            }
            if sender.is_finished() && at(&progress.sent) < load.count && progress.goes_on() {
                progress.trouble("the sender ended before its last record".to_owned());
            }
            if !(sender.is_finished() && faults.is_finished() && applied == load.count as i64) {
                continue;
            }
            match arrivals::waiting(&ground.line) {
                Some(0) => progress.over.store(true, Ordering::Relaxed),
                now if now != left.0 => left = (now, Instant::now()),
                now if left.1.elapsed() > DEADLINE => {
                    let now = now.map_or("nobody knows what".to_owned(), |now| now.to_string());
                    progress.trouble(format!(
                        "{now} marks, events and dead letters wait, and none goes out for {DEADLINE:?}"
                    ));
                }
                _ => {}
            }
        }
        counts = faults.join().expect("faults");
    });
    counts
}

fn send(ground: &Ground<'_>, load: &Load, progress: &Progress) -> Result<(), String> {
    let began = Instant::now();
    let sender = ground.kafka.sender()?;
    let topic = &ground.line.topics[0];
    for (n, sent) in load.records().enumerate() {
        if !progress.goes_on() {
            return Ok(());
        }
        thread::sleep(load.due(n).saturating_sub(began.elapsed()));
        sender.send(topic, &sent.record)?;
        progress.sent.store(n + 1, Ordering::Relaxed);
    }
    sender.flush()
}

/// Ends the consumers as an operator does, and compares.
fn settle(ground: &Ground<'_>, load: &Load) -> Result<Judgement, String> {
    (0..SEATS).for_each(|seat| ground.seats.want(seat, false));
    while !ground.seats.are_empty() {
        ground.seats.tend()?;
        thread::sleep(LOOK);
    }
    println!("all is applied and told; comparing");
    let topic = &ground.line.topics[0];
    let ends = ground.kafka.ends(topic)?;
    let mut judgement = judgement::judge(ground, load, &ends)?;

    let calm = ground.line.replayed_into("calm");
    set_clock_skew(&calm)?;
    let mut spec = calm.consumer_spec("0");
    // What it would tell is told already.
    spec.command = "ingest";
    let mut consumer = spec.start(&PLACE)?;
    let progress = Progress::default();
    progress.sent.store(load.count, Ordering::Relaxed);
    thread::scope(|scope| {
        scope.spawn(|| progress.watch(&calm));
        while progress.goes_on() {
            thread::sleep(LOOK);
            if progress.applied.load(Ordering::Relaxed) == load.count as i64 {
                progress.over.store(true, Ordering::Relaxed);
            }
        }
    });
    if let Some(trouble) = progress.troubles().first() {
        return Err(format!("the undisturbed run: {trouble}"));
    }
    consumer.stop(DEADLINE)?;
    judgement::compare_with_calm(&mut judgement, &mut ground.line.admin(), &mut calm.admin());
    Ok(judgement)
}
