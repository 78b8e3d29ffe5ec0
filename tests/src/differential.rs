//! One answer everywhere: whoever asks whether a principal holds a level on a document, and in
//! whatever way, gets the same answer, which is the one that the model gives.
//!
//! - [`state`]: the random states; [`asking`]: every way to ask

pub mod asking;
pub mod state;

use std::fmt;
use std::time::{Duration, Instant};

use postgres::Client;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::event::Event;
use crate::owner::Owner;
use crate::postgres::Postgres;
use crate::{answers, reference, snapshot};
use asking::{Asker, Question, Way};
use state::State;

/// More differences than this are not kept.
const SHOWN: usize = 20;
const LARGEST_BATCH: usize = 300;

/// What a run has found.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Principal, document and level, each asked in every way.
    pub triples: usize,
    /// How many of them are allowed.
    pub allowed: usize,
    /// The random states they were asked of.
    pub states: usize,
    /// The ways to ask.
    pub ways: usize,
    /// How many answers, or orders of a list, differ from the model's.
    pub differences: usize,
    /// The first of these, a line each.
    pub shown: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} triples ({} allowed) of {} random states, each asked in {} ways: {} differences; {:.0?}",
            self.triples, self.allowed, self.states, self.ways, self.differences, self.took
        )?;
        self.shown.iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

/// Draws states from a seed until that many triples have been asked, in a database that holds the
/// extension and nothing else. The same seed draws the same.
pub fn run(postgres: &Postgres, database: &str, seed: u64, triples: usize) -> Outcome {
    let began = Instant::now();
    let mut rng = StdRng::seed_from_u64(seed);
    let connect = || postgres.admin(database).expect("connection");
    let mut owner = Owner::claim(connect(), 0).expect("claimed");
    let mut asker = Asker::new(connect());
    let mut outcome = Outcome::default();
    while outcome.triples < triples {
        let state = state::draw(&mut rng);
        snapshot::clear(owner.client());
        tell(&mut owner, &state.events, &mut rng);
        asker.prepare(owner.client(), &state);
        // Rows on pages that are visible to all are answered for by the index alone.
        if rng.random_bool(0.5) {
            vacuum(owner.client());
        }
        outcome.judge(&state, &mut asker, &mut rng);
    }
    outcome.took = began.elapsed();
    outcome
}

/// In batches of any size, in both modes.
pub fn tell(owner: &mut Owner, events: &[Event], rng: &mut StdRng) {
    let mut rest = events;
    while !rest.is_empty() {
        let size = rng.random_range(1..=LARGEST_BATCH).min(rest.len());
        let (batch, later) = rest.split_at(size);
        let records: Vec<_> = batch
            .iter()
            .map(|event| match rng.random_bool(0.5) {
                true => event.structured(),
                false => event.binary(),
            })
            .collect();
        assert_eq!(owner.apply(&records).expect("applied"), 0, "quarantined");
        rest = later;
    }
}

/// Makes all pages of the tables visible to all.
pub fn vacuum(client: &mut Client) {
    client
        .batch_execute(
            "VACUUM deed.document, deed.principal, deed.permission, deed.membership,
               deed.listing, deed.closure",
        )
        .expect("vacuumed");
}

impl Outcome {
    /// Asks everything about a state that has been told.
    pub fn judge(&mut self, state: &State, asker: &mut Asker, rng: &mut StdRng) {
        let settled = reference::model(&state.events).settled();
        let now = answers::now(asker.client());
        let expected = asking::expected(&settled, state, &now);
        let ways = asker.ask(Question {
            state,
            settled: &settled,
            now: &now,
            sizes: rng.random_range(0..1_000),
        });
        self.states += 1;
        self.ways = ways.len();
        self.triples += expected.len();
        self.allowed += expected.iter().filter(|answer| **answer == b'1').count();
        for Way {
            name,
            answers,
            out_of_order,
        } in ways
        {
            assert_eq!(answers.len(), expected.len(), "{name}");
            for line in out_of_order {
                self.differ(format!("{name}: {line}"));
            }
            for (place, (found, expected)) in answers.iter().zip(&expected).enumerate() {
                if found != expected && *found != asking::NOT_ASKED {
                    let triple = state.triple(place);
                    let [found, expected] = [found, expected].map(|byte| char::from(*byte));
                    let line = format!("{name} says {found}, the model {expected}: {triple}");
                    self.differ(line);
                }
            }
        }
    }

    fn differ(&mut self, line: String) {
        self.differences += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(line);
        }
    }
}
