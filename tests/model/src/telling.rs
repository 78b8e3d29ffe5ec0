//! One way to tell a history: in what order, in which batches, and what is told more than once.

use std::fmt;
use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::event::Event;
use crate::random::history_of;

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

/// Tells random histories of that many events: shuffled, up to half of them twice, in batches of 1
/// to 5. It shrinks towards the order of the history without repeats, one batch an event.
pub fn telling(events: RangeInclusive<usize>) -> impl Strategy<Value = Telling> {
    let most = *events.end();
    let repeats = vec(any::<Index>(), 0..=most / 2);
    let keys = vec(any::<u8>(), most + most / 2);
    let sizes = vec(1_usize..=5, most + most / 2);
    (history_of(events), repeats, keys, sizes).prop_map(|(events, repeats, keys, sizes)| {
        let repeats = repeats.iter().map(|repeat| repeat.index(events.len()));
        let mut order: Vec<(u8, usize)> = keys
            .into_iter()
            .zip((0..events.len()).chain(repeats))
            .collect();
        order.sort_by_key(|(key, _)| *key);
        let mut told = order.into_iter().map(|(_, place)| place);
        let batches = sizes
            .into_iter()
            .map(|size| told.by_ref().take(size).collect())
            .take_while(|batch: &Vec<usize>| !batch.is_empty());
        let batches = batches.collect();
        Telling { events, batches }
    })
}
