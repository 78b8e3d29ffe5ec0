//! Histories drawn at random, shrunk to a readable one when the law fails.

use std::cell::RefCell;
use std::time::Instant;

use deed_model::random::history_of;
use deed_tests::event::Event;
use deed_tests::load;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{PAGE_SIZE, apply, steps, subjects, text};
use crate::ground::Ground;

const HISTORIES: u32 = 2_000;
const EVENTS: std::ops::RangeInclusive<usize> = 1..=24;
/// Each try is a history of its own in Postgres.
const TRIES_TO_SHRINK: u32 = 1_000;

#[test]
fn random_histories_give_the_answers_of_the_model() {
    let began = Instant::now();
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&load::seed().to_le_bytes());
    let config = Config {
        cases: HISTORIES,
        max_shrink_iters: TRIES_TO_SHRINK,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let ground = Ground::new("law_random");
    let owner = ground.owner(0);
    let ground = RefCell::new((ground, owner));
    let applied = RefCell::new(0);
    let outcome = runner.run(&(history_of(EVENTS), any::<u64>()), |(events, order)| {
        let mut rng = StdRng::seed_from_u64(order);
        let doubled: Vec<Event> = events
            .iter()
            .filter(|_| rng.random_bool(0.3))
            .cloned()
            .collect();
        let steps = steps(&[events.clone(), doubled].concat(), &mut rng);
        let (ground, owner) = &mut *ground.borrow_mut();
        ground.clear();
        apply(owner, &steps, &mut rng);
        *applied.borrow_mut() += steps.iter().map(Vec::len).sum::<usize>();
        ground
            .judge(&events, &subjects(), PAGE_SIZE)
            .map_err(|difference| TestCaseError::fail(format!("{}{difference}", text(&steps))))
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
