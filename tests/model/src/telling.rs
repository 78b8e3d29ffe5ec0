//! One way to tell a history: in what order, in which batches, and what is told more than once.

use std::fmt;
use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use crate::event::Event;
use crate::random::event;

/// A history and how it is told. Its `Debug` has a line an event, and one for the batches.
#[derive(Clone, PartialEq)]
pub struct Telling {
    /// The history.
    pub events: Vec<Event>,
    /// The batches, each of places in `events`. Each event is in one at least.
    pub batches: Vec<Vec<usize>>,
}

impl fmt::Debug for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, event) in self.events.iter().enumerate() {
            write!(f, "\n  {place}: {event:?}")?;
        }
        write!(f, "\n  told in batches {:?}", self.batches)
    }
}

/// Tells random histories of that many events: shuffled, some events twice, in batches of any size.
/// Order and batches hang on the events themselves, so that a history shrinks event by event, and
/// towards its own order in one batch without repeats.
pub fn telling(events: RangeInclusive<usize>) -> impl Strategy<Value = Telling> {
    // Where it is told (the smaller first), and whether a batch ends there.
    let told = || (any::<u8>(), any::<bool>());
    let again = weighted(0.3, told());
    vec((event(), told(), again), events).prop_map(|drawn| {
        let mut order: Vec<((u8, bool), usize)> = Vec::new();
        let mut events = Vec::new();
        for (place, (event, told, again)) in drawn.into_iter().enumerate() {
            order.push((told, place));
            order.extend(again.map(|again| (again, place)));
            events.push(event);
        }
        order.sort_by_key(|((key, _), _)| *key);
        let batches = order
            .split_inclusive(|((_, ends), _)| *ends)
            .map(|batch| batch.iter().map(|(_, place)| *place).collect());
        let batches = batches.collect();
        Telling { events, batches }
    })
}
