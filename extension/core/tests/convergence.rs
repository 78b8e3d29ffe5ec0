//! The law: any order, any duplication and any batching of the same events gives the same state,
//! and it is the one that the reference model recomputes from all events at once.

mod state;

use deed_core::decide::Outcome;
use deed_core::event::Event;
use deed_model::histories;
use deed_model::telling::telling;
use proptest::prelude::*;
use state::{State, expected, read};

/// Random histories told, in one run of the tests.
const RANDOM_HISTORIES: u32 = 100_000;

/// Every order of the history that was read as `events`, cut into batches in every way.
#[test]
fn every_order_and_batching_of_every_history_gives_what_the_model_says() {
    let (mut orders, mut tellings) = (0_u64, 0_u64);
    let histories = histories::all();
    for (name, history) in &histories {
        let events: Vec<Event> = history.iter().map(read).collect();
        let expected = expected(history, &events);
        let mut in_order = State::default();
        in_order.apply(&events);
        let differences = in_order.differences(&expected);
        assert!(
            differences.is_empty(),
            "{name}\n{history:#?}\n{differences:#?}"
        );

        for order in permutations(history.len()) {
            let told: Vec<Event> = order.iter().map(|place| events[*place].clone()).collect();
            let mut alone = State::default();
            let outcomes = one_by_one(&mut alone, &told);
            for cuts in 0..1_u32 << (told.len() - 1) {
                let mut batched = State::default();
                let of_batches: Vec<Outcome> = batches(&told, cuts)
                    .flat_map(|batch| batched.apply(batch))
                    .collect();
                let telling = || format!("{name}\n{history:#?}\nin order {order:?}, cuts {cuts:b}");
                assert!(
                    batched == in_order,
                    "{}\n{:#?}",
                    telling(),
                    batched.differences(&expected)
                );
                assert_eq!(of_batches, outcomes, "{}", telling());
                tellings += 1;
            }
            let again = alone.apply(&told);
            assert!(
                !again.contains(&Outcome::Applied),
                "{name} {order:?}: {again:?}"
            );
            let unchanged = alone == in_order;
            assert!(unchanged, "{name}, told again in order {order:?}");
            orders += 1;
        }
    }
    println!(
        "{} histories in {orders} orders, with all batchings {tellings} tellings",
        histories.len()
    );
}

proptest! {
    // No file of failures: what is found here becomes a history of its own in deed-model.
    #![proptest_config(ProptestConfig {
        cases: RANDOM_HISTORIES,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_histories_give_what_the_model_says(telling in telling(1..=16)) {
        let events: Vec<Event> = telling.events.iter().map(read).collect();
        let batches: Vec<Vec<Event>> = telling
            .batches
            .iter()
            .map(|batch| batch.iter().map(|place| events[*place].clone()).collect())
            .collect();
        let mut state = State::default();
        let outcomes: Vec<Outcome> = batches.iter().flat_map(|batch| state.apply(batch)).collect();
        let differences = state.differences(&expected(&telling.events, &events));
        prop_assert!(differences.is_empty(), "{:#?}", differences);

        let mut alone = State::default();
        prop_assert_eq!(outcomes, one_by_one(&mut alone, batches.iter().flatten()));
        prop_assert!(alone == state, "one by one gives another state");

        let again = alone.apply(&events);
        prop_assert!(!again.contains(&Outcome::Applied), "told again: {:?}", again);
        prop_assert!(alone == state, "telling all again changes the state");
    }
}

fn one_by_one<'a>(state: &mut State, events: impl IntoIterator<Item = &'a Event>) -> Vec<Outcome> {
    let apply = |event| state.apply(std::slice::from_ref(event));
    events.into_iter().flat_map(apply).collect()
}

/// Cuts behind each place whose bit is set.
fn batches(events: &[Event], cuts: u32) -> impl Iterator<Item = &[Event]> {
    let mut place = 0;
    events.split_inclusive(move |_| {
        place += 1;
        cuts >> (place - 1) & 1 == 1
    })
}

/// All orders of the places below `n`.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    let Some(last) = n.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let insert = |shorter: Vec<usize>| {
        (0..n).map(move |at| {
            let mut order = shorter.clone();
            order.insert(at, last);
            order
        })
    };
    permutations(last).into_iter().flat_map(insert).collect()
}
