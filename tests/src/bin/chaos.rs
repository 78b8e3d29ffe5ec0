//! `chaos MINUTES`: 500,000 events and faults of all kinds over so many minutes.

use std::process::ExitCode;
use std::time::Duration;

use deed_tests::chaos::{Plan, run};
use deed_tests::load;

const EVENTS: usize = 500_000;

fn main() -> ExitCode {
    let minutes = std::env::args()
        .nth(1)
        .and_then(|text| text.parse::<u64>().ok());
    let Some(minutes) = minutes.filter(|minutes| *minutes > 0) else {
        eprintln!("chaos: expected a number of minutes, such as `chaos 20`");
        return ExitCode::FAILURE;
    };
    let plan = Plan {
        seed: load::seed(),
        events: EVENTS,
        length: Duration::from_secs(minutes * 60),
    };
    match run(plan) {
        Ok(report) => {
            println!("{report}");
            match report.failures().is_empty() {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            }
        }
        Err(error) => {
            eprintln!("chaos: {error}; again: DEED_SEED={}", plan.seed);
            ExitCode::FAILURE
        }
    }
}
