//! Events out: what is told is what changed, once and in order.

use std::sync::atomic::{AtomicBool, Ordering};

mod apart;
mod bounds;
mod expiry;
mod histories;
mod kills;
mod races;
mod relay;

/// Ends what other threads do until this is true, also when the test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
