//! How long to wait before a call to Postgres is repeated.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::verdict::Verdict;

/// Longer from time to time, with jitter, up to 2 seconds for what passes by itself and 10 for what a person must mend.
pub struct Backoff {
    soon: ExponentialBackoff,
    seldom: ExponentialBackoff,
}

impl Default for Backoff {
    fn default() -> Self {
        let endless = ExponentialBuilder::default()
            .with_jitter()
            .without_max_times();
        Backoff {
            soon: endless
                .with_min_delay(Duration::from_millis(50))
                .with_max_delay(Duration::from_secs(2))
                .build(),
            seldom: endless
                .with_min_delay(Duration::from_secs(1))
                .with_max_delay(Duration::from_secs(10))
                .build(),
        }
    }
}

impl Backoff {
    /// Behind a failure with this verdict.
    pub fn after(&mut self, verdict: Verdict) -> Duration {
        let next = match verdict {
            Verdict::Retry => self.soon.next(),
            _ => self.seldom.next(),
        };
        next.expect("it has no end")
    }
}
