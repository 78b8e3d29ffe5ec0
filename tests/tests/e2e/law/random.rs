//! Histories drawn at random, shrunk to a readable one when the law fails.

use std::cell::RefCell;
use std::time::Instant;

use deed_model::telling::telling;
use deed_tests::event::Event;
use deed_tests::load;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestCaseError};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{PAGE_SIZE, apply, owners, subjects};
use crate::ground::{Ground, runner};

const HISTORIES: u32 = 2_000;
const EVENTS: std::ops::RangeInclusive<usize> = 1..=24;
/// Each try is a history of its own in Postgres.
const TRIES_TO_SHRINK: u32 = 1_000;

#[test]
fn random_histories_give_the_answers_of_the_model() {
    let began = Instant::now();
    let config = Config {
        cases: HISTORIES,
        max_shrink_iters: TRIES_TO_SHRINK,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = runner(load::seed(), config);
    let ground = Ground::new("law_random");
    let owners = owners(&ground);
    let ground = RefCell::new((ground, owners));
    let applied = RefCell::new(0);
    // How each batch comes shrinks apart from the telling.
    let outcome = runner.run(&(telling(EVENTS), any::<u64>()), |(telling, modes)| {
        let told =
            |places: &Vec<usize>| places.iter().map(|n| telling.events[*n].clone()).collect();
        let steps: Vec<Vec<Event>> = telling.batches.iter().map(told).collect();
        let mut rng = StdRng::seed_from_u64(modes);
        let (ground, owners) = &mut *ground.borrow_mut();
        ground.clear();
        apply(owners, &steps, &mut rng);
        *applied.borrow_mut() += steps.iter().map(Vec::len).sum::<usize>();
        ground
            .judge(&telling.events, &subjects(), PAGE_SIZE)
            .map_err(TestCaseError::fail)
    });
    println!(
        "{HISTORIES} random histories, {} events with the doubled ones; {:.0?}",
        applied.borrow(),
        began.elapsed()
    );
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
