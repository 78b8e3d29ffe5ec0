//! The events of a run, drawn from the seed: their times go with the clock, jump with the schedule, and now and then
//! a record comes twice or is none that can be applied.

use std::collections::VecDeque;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::schedule::{Fault, JUMP_HOURS, Target};
use crate::event::{Clock, Event, Record};
use crate::load::{World, document, event, person, poison};

/// Partitions of the topic; the events go to them in turn, so that all partitions race for the same documents.
pub const PARTITIONS: i32 = 8;
/// Who may be in groups, have members and be promoted: few, for their closure grows with their square.
const NODES: usize = 60;
/// One record in so many is poison, one comes again.
const POISON_EVERY: usize = 500;
const AGAIN_EVERY: usize = 50;
/// A record comes again behind at most so many others.
const RECENT: usize = 1_000;
/// Events behind each jump of the clock whose times are refused.
const REFUSED: usize = 3;
/// So far ahead that it is refused, and stays so for as long as a run may take.
const TOO_LATE: time::Duration = time::Duration::days(100);

/// One record, and the event in it that counts.
#[derive(Debug, Clone)]
pub struct Sent {
    pub record: Record,
    /// `None` is quarantined.
    pub event: Option<Event>,
}

/// What is sent in a run.
#[derive(Debug, Clone)]
pub struct Load {
    pub seed: u64,
    pub count: usize,
    pub length: Duration,
    /// The time of the first event, about.
    pub start: OffsetDateTime,
    /// From which record on the events' times are ahead by how many hours.
    jumps: Vec<(usize, i64)>,
}

impl Load {
    pub fn new(
        seed: u64,
        count: usize,
        length: Duration,
        start: OffsetDateTime,
        schedule: &[Fault],
    ) -> Self {
        let place =
            |at: Duration| (at.as_secs_f64() / length.as_secs_f64() * count as f64) as usize;
        let jumps = schedule.iter().filter_map(|fault| match fault.target {
            Target::Events(hours) => Some((place(fault.at).min(count - 1), hours)),
            _ => None,
        });
        Self {
            seed,
            count,
            length,
            start,
            jumps: jumps.collect(),
        }
    }

    fn world(&self) -> World {
        let documents = (self.count / 12).max(100);
        World {
            documents,
            people: documents / 10 + NODES,
            nodes: NODES,
        }
    }

    /// When the n-th record is to be sent.
    pub fn due(&self, n: usize) -> Duration {
        self.length.mul_f64(n as f64 / self.count as f64)
    }

    /// Whose levels are watched: groups and people in them, `everyone` and `users`, for these change most.
    pub fn watched(&self) -> Vec<(Uuid, Uuid)> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let World { documents, .. } = self.world();
        let principal = |n: usize| match n {
            0 | 1 => Uuid::from_u128(n as u128 + 1),
            n => person(n - 2),
        };
        let mut pair = |_| {
            let document = document(rng.random_range(0..documents));
            (document, principal(rng.random_range(0..NODES + 2)))
        };
        (0..400).map(&mut pair).collect()
    }

    /// All records in the order in which they are sent; the same each time.
    pub fn records(&self) -> impl Iterator<Item = Sent> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut clock = Clock::default();
        let world = self.world();
        let mut recent: VecDeque<Sent> = VecDeque::new();
        let mut before: Option<Event> = None;
        (0..self.count).map(move |n| {
            let again = (n % AGAIN_EVERY == AGAIN_EVERY - 1)
                .then(|| recent.get(rng.random_range(0..RECENT)).cloned())
                .flatten();
            let mut sent = again.unwrap_or_else(|| {
                if n % POISON_EVERY == POISON_EVERY / 2 {
                    return Sent {
                        record: poison(n),
                        event: None,
                    };
                }
                let mut event = event(&mut rng, &mut clock, world);
                self.set_time(n, &mut rng, &mut event, before.as_ref());
                if !self.is_too_late(n) {
                    before = Some(event.clone());
                }
                let record = match rng.random_bool(0.5) {
                    true => event.structured(),
                    false => event.binary(),
                };
                let event = (!self.is_too_late(n)).then_some(event);
                Sent { record, event }
            });
            sent.record.partition = Some(n as i32 % PARTITIONS);
            recent.push_back(sent.clone());
            if recent.len() > RECENT {
                recent.pop_front();
            }
            sent
        })
    }

    fn is_too_late(&self, n: usize) -> bool {
        self.jumps
            .iter()
            .any(|(from, _)| (*from..from + REFUSED).contains(&n))
    }

    /// Events come out of their order by up to two seconds; some share their time, and of these some their id, with another.
    fn set_time(&self, n: usize, rng: &mut StdRng, event: &mut Event, before: Option<&Event>) {
        let jump = self.jumps.iter().rfind(|(from, _)| *from <= n);
        let hours = jump.map_or(0, |(_, hours)| *hours);
        debug_assert!(hours.abs() <= JUMP_HOURS);
        let late = if self.is_too_late(n) {
            TOO_LATE
        } else {
            time::Duration::ZERO
        };
        let jitter = time::Duration::milliseconds(rng.random_range(-2_000..=0));
        let time = self.start + self.due(n) + jitter + time::Duration::hours(hours) + late;
        event.time = time.format(&Rfc3339).expect("a time of four digits");
        let shared = rng.random_bool(0.2) && !self.is_too_late(n);
        if let Some(before) = before.filter(|_| shared) {
            event.time = before.time.clone();
            if rng.random_bool(0.2) {
                event.id = before.id.clone();
            }
        }
    }
}
