//! The consumers, and what a supervisor does for them: one that ends and ought not to is started again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::consumer::Spec;
use crate::place::Place;
use crate::process::{Process, Signal};

/// Behind SIGTERM: longer than a client that can't reach its broker takes to give up.
const LEAVING: Duration = Duration::from_secs(90);

struct Seat {
    spec: Spec,
    process: Option<Process>,
    wanted: bool,
    /// When it was asked to end.
    asked: Option<Instant>,
}

/// All consumers of a run.
pub struct Seats {
    place: Place,
    seats: Mutex<Vec<Seat>>,
    /// How often consumers ended, by how.
    ends: Mutex<BTreeMap<String, usize>>,
}

impl Seats {
    /// Empty ones.
    pub fn new(place: &Place, specs: Vec<Spec>) -> Self {
        let seat = |spec| Seat {
            spec,
            process: None,
            wanted: false,
            asked: None,
        };
        Self {
            place: place.clone(),
            seats: Mutex::new(specs.into_iter().map(seat).collect()),
            ends: Mutex::default(),
        }
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self, how: &str) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        *ends.entry(how.to_owned()).or_default() += 1;
    }

    /// How often consumers ended, by how.
    pub fn ends(&self) -> BTreeMap<String, usize> {
        self.ends
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// From now on there is to be one, or none.
    pub fn want(&self, seat: usize, wanted: bool) {
        self.seats()[seat].wanted = wanted;
    }

    /// Kills the one that is there; there is to be none until it is wanted again.
    pub fn kill(&self, seat: usize) {
        let mut seats = self.seats();
        let seat = &mut seats[seat];
        seat.wanted = false;
        if let Some(mut process) = seat.process.take() {
            process.kill();
            self.ended("killed");
        }
        seat.asked = None;
    }

    /// Sends a signal.
    pub fn signal(&self, seat: usize, signal: Signal) {
        if let Some(process) = &self.seats()[seat].process {
            process.signal(signal);
        }
    }

    /// Whether all seats are empty.
    pub fn are_empty(&self) -> bool {
        self.seats().iter().all(|seat| seat.process.is_none())
    }

    /// Looks after all of them once; to be called again and again.
    pub fn tend(&self) -> Result<(), String> {
        for seat in self.seats().iter_mut() {
            self.tend_one(seat)?;
        }
        Ok(())
    }

    fn tend_one(&self, seat: &mut Seat) -> Result<(), String> {
        let name = &seat.spec.name;
        let log = seat.spec.folder.join(format!("{name}.log"));
        if let Some(process) = &mut seat.process {
            if !process.lives() {
                let status = process.wait(Duration::ZERO)?.ok_or("a status")?;
                let asked = seat.asked.take().is_some();
                seat.process = None;
                match (status.code(), asked) {
                    (Some(0), true) => self.ended("ended when asked to"),
                    (Some(1), _) => self.ended("ended with an error, started again"),
                    _ => {
                        return Err(format!(
                            "{name} ended by itself: {status}, see {}",
                            log.display()
                        ));
                    }
                }
            } else if let Some(since) = seat.asked {
                if since.elapsed() > LEAVING {
                    return Err(format!(
                        "{name} does not end when asked to, see {}",
                        log.display()
                    ));
                }
            } else if !seat.wanted {
                process.signal(Signal::TERM);
                seat.asked = Some(Instant::now());
            }
        }
        if seat.process.is_none() && seat.wanted {
            seat.process = Some(seat.spec.start(&self.place)?);
        }
        Ok(())
    }
}
