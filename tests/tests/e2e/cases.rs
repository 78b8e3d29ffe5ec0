//! The sharing cases, loaded through Kafka.

use std::path::PathBuf;

use deed_tests::cases::{Case, Tally, read};
use deed_tests::event::Clock;
use deed_tests::stage::{Line, PLACE};

/// The project's own, and those of a conformance file when there is one: the file that
/// `DEED_CONFORMANCE` names, or one beside the clone.
fn files() -> Vec<PathBuf> {
    let own = PLACE.root.join("tests/cases");
    let mut files: Vec<PathBuf> = std::fs::read_dir(own)
        .expect("tests/cases")
        .map(|file| file.expect("tests/cases").path())
        .collect();
    files.sort();
    match std::env::var_os("DEED_CONFORMANCE") {
        Some(folder) => files.push(PathBuf::from(folder).join("cases.jsonl")),
        None => {
            let beside = PLACE.root.join("../shared/conformance/cases.jsonl");
            files.extend(Some(beside).filter(|file| file.exists()));
        }
    }
    files
}

#[test]
fn sharing_cases_give_the_checks_and_lists_that_they_expect() {
    let line = Line::shared("cases", 3);
    let _consumer = line.consumer("a");
    let mut clock = Clock::default();
    let mut client = line.admin();
    for file in files() {
        let cases = read(&file).expect("cases");
        let mut records = Vec::new();
        for (n, event) in cases
            .iter()
            .flat_map(|case: &Case| case.events(&mut clock))
            .enumerate()
        {
            records.push(if n % 2 == 0 {
                event.structured()
            } else {
                event.binary()
            });
        }
        line.send(&records);
        line.wait_until_applied();
        let mut tally = Tally::default();
        for case in &cases {
            case.verify(&mut client, &mut tally);
        }
        println!(
            "{}: {} cases, {} assertions held, {} failed, {} left out for groups, everybody or list_principals",
            file.display(),
            cases.len(),
            tally.held,
            tally.failures.len(),
            tally.left_out
        );
        assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n"));
        assert!(tally.held > 0, "{}: nothing was asked", file.display());
    }
}
