//! The consumer as those meet it who run it: endpoints, subcommands, dead letters, partitions that stop, logs with gaps.

mod commands;
mod dead_letters;
mod endpoints;
mod gaps;
mod logs;
mod positions;
mod refused_records;
mod settings;
mod stopped;
mod traces;

use deed_tests::consumer::{Spec, get};
use deed_tests::process::{Process, wait_until};
use deed_tests::stage::{DEADLINE, PLACE};
use serde_json::Value;

/// Waits until the endpoint answers with this status and a text that holds these words; gives the text.
fn wait_for_answer(consumer: &mut Process, path: &str, status: u16, words: &str) -> String {
    let what = format!("{path} answers {status} with {words:?}");
    let mut last = String::new();
    wait_until(&what, DEADLINE, || {
        let (given, text) = get(consumer, path).ok()?;
        last = format!("{given}: {text}");
        (given == status && text.contains(words)).then_some(text)
    })
    .unwrap_or_else(|error| panic!("{error}; last {last}"))
}

/// The one line of JSON that a subcommand answers.
fn json(spec: &Spec, arguments: &[&str]) -> Value {
    let asked = spec.ask(&PLACE, arguments).expect("runs");
    assert_eq!(asked.code, Some(0), "{asked:?}");
    serde_json::from_str(&asked.said).unwrap_or_else(|error| panic!("{error}: {asked:?}"))
}

/// The value of a metric with these labels, as `/metrics` gives it.
fn metric(consumer: &mut Process, series: &str) -> Option<f64> {
    let (_, text) = get(consumer, "/metrics").ok()?;
    let line = text.lines().find(|line| line.starts_with(series))?;
    line.rsplit_once(' ')?.1.parse().ok()
}
