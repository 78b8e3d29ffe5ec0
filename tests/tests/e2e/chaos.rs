//! A short seed of `make chaos`: every kind of fault once or more, while events flow.

use std::time::Duration;

use deed_tests::chaos::{Plan, run};
use deed_tests::load;

const EVENTS: usize = 25_000;
const LENGTH: Duration = Duration::from_secs(60);

#[test]
fn faults_of_every_kind_lose_nothing_and_double_nothing() {
    let plan = Plan {
        seed: load::seed(),
        events: EVENTS,
        length: LENGTH,
    };
    let report =
        run(plan).unwrap_or_else(|error| panic!("{error}; again: DEED_SEED={}", plan.seed));
    println!("{report}");
    assert!(report.failures().is_empty(), "see FAILED above");
}
