//! Each history that was written by hand, in many orders.

use std::time::Instant;

use deed_tests::load;
use deed_tests::snapshot::Snapshot;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{PAGE_SIZE, apply, steps, subjects, text};
use crate::ground::Ground;

const ORDERS: usize = 200;

#[test]
fn every_history_leaves_the_same_tables_in_200_orders() {
    let began = Instant::now();
    let mut rng = StdRng::seed_from_u64(load::seed());
    let mut ground = Ground::new("law_histories");
    let mut owner = ground.owner(0);
    let histories = deed_model::histories::all();
    let mut failures = Vec::new();
    for (name, events) in &histories {
        // In the order in which it is written, for the others to be held against.
        ground.clear();
        apply(&mut owner, std::slice::from_ref(events), &mut rng);
        let first = Snapshot::take(ground.client());
        if let Err(difference) = ground.judge(events, &subjects(), PAGE_SIZE) {
            failures.push(format!("{name}, as written:\n{difference}"));
        }
        for _ in 1..ORDERS {
            let steps = steps(events, &mut rng);
            ground.clear();
            apply(&mut owner, &steps, &mut rng);
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
