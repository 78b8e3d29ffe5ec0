//! One answer everywhere.

use deed_tests::stage::shared_postgres;
use deed_tests::{differential, load};

/// As many in each run; `DEED_TRIPLES` asks for more.
const TRIPLES: usize = 20_000;

#[test]
fn every_way_to_ask_gives_the_answer_of_the_model() {
    let triples = std::env::var("DEED_TRIPLES").map_or(TRIPLES, |text| {
        let expected = "DEED_TRIPLES: expected a number of triples";
        text.parse().expect(expected)
    });
    let postgres = shared_postgres();
    postgres.create_database("differential").expect("database");
    let outcome = differential::run(postgres, "differential", load::seed(), triples);
    println!("{outcome}");
    assert_eq!(outcome.differences, 0, "{outcome}");
    // Of neither answer there may be next to none.
    let share = outcome.allowed * 100 / outcome.triples;
    assert!((5..95).contains(&share), "{share} % allowed");
}
