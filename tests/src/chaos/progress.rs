//! How far the run has come, and how long it stood still without a reason.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;

use super::load::PARTITIONS;
use crate::stage::{DEADLINE, Line};

const LOOK: Duration = Duration::from_millis(100);

/// What the threads of a run tell each other.
#[derive(Debug, Default)]
pub struct Progress {
    /// Records that the producer has.
    pub sent: AtomicUsize,
    /// Records that are behind a position.
    pub applied: AtomicI64,
    /// Faults that have begun.
    pub begun: AtomicUsize,
    /// Faults that are not healed yet.
    pub open: AtomicUsize,
    /// True when the run ends, for whatever reason.
    pub over: AtomicBool,
    troubles: Mutex<Vec<String>>,
    healed: Mutex<String>,
    longest: Mutex<(Duration, String)>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress {
    /// Ends the run.
    pub fn trouble(&self, what: String) {
        println!("TROUBLE: {what}");
        lock(&self.troubles).push(what);
        self.over.store(true, Ordering::Relaxed);
    }

    /// What ended the run before its time.
    pub fn troubles(&self) -> Vec<String> {
        lock(&self.troubles).clone()
    }

    /// Notes the fault that was healed last.
    pub fn healed(&self, fault: String) {
        *lock(&self.healed) = fault;
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// The longest time that a partition with records waiting did not move although nothing was broken, and behind
    /// which fault.
    pub fn longest_standstill(&self) -> (Duration, String) {
        lock(&self.longest).clone()
    }

    /// Whether the run goes on.
    pub fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// Looks at the positions until the run is over.
    pub fn watch(&self, line: &Line<'_>) {
        let mut client = None;
        let mut partitions = vec![(0_i64, Duration::ZERO); PARTITIONS as usize];
        let mut looked = Instant::now();
        while self.goes_on() {
            thread::sleep(LOOK);
            let Some(now) = positions(&mut client, line) else {
                looked = Instant::now();
                continue;
            };
            let passed = looked.elapsed();
            looked = Instant::now();
            self.applied.store(now.iter().sum(), Ordering::Relaxed);
            let whole = self.open.load(Ordering::Relaxed) == 0;
            let sent = self.sent.load(Ordering::Relaxed);
            for (n, ((position, still), now)) in partitions.iter_mut().zip(now).enumerate() {
                // The n-th of them has each n-th record.
                let end = (sent + PARTITIONS as usize - 1 - n) / PARTITIONS as usize;
                if now != *position || now >= end as i64 {
                    (*position, *still) = (now, Duration::ZERO);
                } else if whole {
                    *still += passed;
                }
                self.judge(n, *still);
            }
        }
    }

    fn judge(&self, partition: usize, still: Duration) {
        let mut longest = lock(&self.longest);
        if still > longest.0 {
            *longest = (still, lock(&self.healed).clone());
        }
        if still > DEADLINE {
            let behind = lock(&self.healed).clone();
            self.trouble(format!(
                "partition {partition} does not move for {DEADLINE:?} behind: {behind}"
            ));
        }
    }
}

/// The next offset of each partition; none while Postgres does not answer.
fn positions(client: &mut Option<Client>, line: &Line<'_>) -> Option<Vec<i64>> {
    if client.is_none() {
        *client = line.postgres.admin(&line.name).ok();
    }
    let rows = client.as_mut()?.query(
        "SELECT partition, coalesce(next_offset, 0) FROM deed.stream_position WHERE consumer_group = $1",
        &[&line.name],
    );
    let Ok(rows) = rows else {
        *client = None;
        return None;
    };
    let mut positions = vec![0; PARTITIONS as usize];
    for row in rows {
        positions[row.get::<_, i32>(0) as usize] = row.get(1);
    }
    Some(positions)
}
