//! Each history that was written by hand, in many orders.

use std::fmt::Write;
use std::time::Instant;

use deed_tests::event::Event;
use deed_tests::load;
use deed_tests::snapshot::Snapshot;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::{PAGE_SIZE, apply, owners, subjects};
use crate::ground::Ground;

const ORDERS: usize = 200;

#[test]
fn every_history_leaves_the_same_tables_in_200_orders() {
    let began = Instant::now();
    let mut rng = StdRng::seed_from_u64(load::seed());
    let mut ground = Ground::new("law_histories");
    let mut owners = owners(&ground);
    let histories = deed_model::histories::all();
    let mut failures = Vec::new();
    for (name, events) in &histories {
        // In the order in which it is written, for the others to be held against.
        ground.clear();
        apply(&mut owners, std::slice::from_ref(events), &mut rng);
        let first = Snapshot::take(ground.client());
        if let Err(difference) = ground.judge(events, &subjects(), PAGE_SIZE) {
            failures.push(format!("{name}, as written:\n{difference}"));
        }
        for _ in 1..ORDERS {
            let steps = steps(events, &mut rng);
            ground.clear();
            apply(&mut owners, &steps, &mut rng);
            if let Err(difference) = Snapshot::take(ground.client()).compare(&first) {
                failures.push(format!("{name}:\n{}{difference}", text(&steps)));
                break;
            }
        }
    }
    println!(
        "{} histories, each in {ORDERS} orders and splits into batches: {} with other tables or answers; {:.0?}",
        histories.len(),
        failures.len(),
        began.elapsed()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// The events in any order, cut into batches anywhere.
fn steps(events: &[Event], rng: &mut StdRng) -> Vec<Vec<Event>> {
    let mut events = events.to_vec();
    events.shuffle(rng);
    let mut steps = vec![Vec::new()];
    for event in events {
        if rng.random() {
            steps.push(Vec::new());
        }
        steps.last_mut().expect("a step").push(event);
    }
    steps.retain(|step| !step.is_empty());
    steps
}

/// A line an event; a blank one between batches.
fn text(steps: &[Vec<Event>]) -> String {
    let mut text = String::new();
    for step in steps {
        for event in step {
            // Writing to a String can't fail.
            let _ = writeln!(text, "  {event:?}");
        }
        text.push('\n');
    }
    text
}
