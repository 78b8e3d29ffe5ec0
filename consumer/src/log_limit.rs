//! Keeps what repeats out of the log.

use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(30);

/// Lets one line through each 30 seconds.
#[derive(Debug, Default)]
pub struct LogLimit(Option<Instant>);

impl LogLimit {
    /// Whether a line may be written now.
    pub fn passes(&mut self) -> bool {
        let passes = self.0.is_none_or(|last| last.elapsed() >= EVERY);
        if passes {
            self.0 = Some(Instant::now());
        }
        passes
    }
}
