//! Histories drawn at random.

use proptest::prelude::*;

use crate::event::Event;

/// A history.
pub fn history() -> impl Strategy<Value = Vec<Event>> {
    Just(Vec::new())
}
