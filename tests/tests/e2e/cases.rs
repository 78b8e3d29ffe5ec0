//! The sharing cases: their events through Kafka, shuffled and doubled, and every path that answers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use deed_tests::cases::{Asked, Case, Tally, read};
use deed_tests::derived;
use deed_tests::event::{Clock, Record};
use deed_tests::stage::{DEADLINE, Line, PLACE, shared_kafka, shared_postgres};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];
const TOPICS: [(&str, i32); 3] = [("documents", 3), ("principals", 2), ("permissions", 3)];

/// The project's own, and those of a conformance file when there is one: in the folder that
/// `DEED_CONFORMANCE` names, or beside the clone.
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
            match beside.exists() {
                true => files.push(beside),
                false => {
                    println!("no conformance file beside the clone: the project's own cases alone")
                }
            }
        }
    }
    files
}

/// All records of the cases, each twice, in no order and on any partition of any topic.
fn send(line: &Line<'_>, cases: &[&Case], seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut clock = Clock::default();
    let events: Vec<_> = cases
        .iter()
        .flat_map(|case| case.events(&mut clock))
        .collect();
    let mut records: Vec<Record> = events
        .iter()
        .flat_map(|event| [event.structured(), event.binary()])
        .collect();
    records.shuffle(&mut rng);
    let mut of_topic: BTreeMap<&str, Vec<Record>> = BTreeMap::new();
    for mut record in records {
        let topic = rng.random_range(0..TOPICS.len());
        record.partition = Some(rng.random_range(0..TOPICS[topic].1));
        of_topic
            .entry(&line.topics[topic])
            .or_default()
            .push(record);
    }
    for (topic, records) in of_topic {
        line.kafka.send(topic, &records).expect("sending");
    }
}

#[test]
fn sharing_cases_give_the_checks_and_lists_that_they_expect() {
    let files: Vec<(PathBuf, Vec<Case>)> = files()
        .into_iter()
        .map(|file| {
            let cases = read(&file).expect("cases");
            (file, cases)
        })
        .collect();
    let all: Vec<&Case> = files.iter().flat_map(|(_, cases)| cases).collect();
    let mut tallies: Vec<Tally> = files.iter().map(|_| Tally::default()).collect();
    for seed in SEEDS {
        let line = Line::new(
            shared_kafka(),
            shared_postgres(),
            &format!("cases_{seed}"),
            &TOPICS,
        );
        let mut consumer = line.consumer("a");
        send(&line, &all, seed);
        line.wait_until_applied();
        consumer.stop(DEADLINE).expect("stops");
        let mut client = line.admin();
        derived::assert_follow(&mut client, &line.name);
        let mut asked = Asked::new(&mut client);
        for ((_, cases), tally) in files.iter().zip(&mut tallies) {
            for case in cases {
                case.verify(&mut asked, tally);
            }
        }
    }
    let mut failures = Vec::new();
    for ((file, cases), tally) in files.iter().zip(tallies) {
        let assertions: usize = cases.iter().map(Case::assertions).sum();
        println!(
            "{}: {} cases, {assertions} assertions, with seeds {SEEDS:?} held by {:?}, failed {}",
            file.display(),
            cases.len(),
            tally.held,
            tally.failures.len()
        );
        for path in [
            "has_permission",
            "effective_level",
            "list_documents",
            "list_principals",
        ] {
            let held = tally.held.get(path).copied().unwrap_or_default();
            assert!(held > 0, "{}: {path} is not asked", file.display());
        }
        failures.extend(tally.failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
