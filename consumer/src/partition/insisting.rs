//! Calls to Postgres, repeated until they succeed or never will.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tracing::{error, info, warn};

use super::{FENCED_WAIT, Halt, Partition, RECLAIM_WAIT};
use crate::database::CallError;
use crate::health::State;
use crate::log_limit::LogLimit;
use crate::messages::{End, What};
use crate::verdict::{Verdict, advice};

impl Partition {
    /// Repeats the call until it succeeds, or Postgres says that it never will. Meanwhile the partition waits; `otherwise` is
    /// how it is. A call under way is never cut off here, so the process can end between two of them.
    pub(super) async fn insist<T, F>(
        &self,
        name: &str,
        otherwise: State,
        call: impl Fn() -> F,
    ) -> Result<T, Halt>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let endless = ExponentialBuilder::default()
            .with_jitter()
            .without_max_times();
        let mut soon = endless
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(2))
            .build();
        let mut seldom = endless
            .with_min_delay(Duration::from_secs(1))
            .with_max_delay(Duration::from_secs(10))
            .build();
        let mut limit = LogLimit::default();
        let mut failed = false;
        loop {
            let error = match call().await {
                Ok(answer) => {
                    if failed {
                        info!(of = %self.id, "Postgres answers again: {name} succeeded");
                        self.is(otherwise);
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let of = &self.id;
            let code = error.code();
            let delay = match error.verdict() {
                Verdict::Retry => {
                    if limit.passes() {
                        warn!(%of, code, "{name} will be repeated until Postgres answers: {error}");
                    }
                    soon.next()
                }
                Verdict::Park | Verdict::Divide => {
                    if limit.passes() {
                        let advice = advice(code);
                        error!(%of, code, "{name} is refused, and repeated now and then: {error}; {advice}");
                    }
                    seldom.next()
                }
                Verdict::Fenced => {
                    warn!(%of, code, "fenced, and claimed again in {FENCED_WAIT:?}: {error}");
                    return Err(Halt::End(End::Reclaim(FENCED_WAIT)));
                }
                Verdict::Reclaim => {
                    warn!(%of, code, "starting over from the position in Postgres: {error}");
                    return Err(Halt::End(End::Reclaim(RECLAIM_WAIT)));
                }
                Verdict::Recreated => return Err(Halt::Stop(error.to_string())),
            };
            if !failed {
                failed = true;
                self.report(What::Delayed);
            }
            self.is(State::Waiting(format!("{name}: {error}")));
            if let Some(end) = self.pause(delay.unwrap_or(FENCED_WAIT)).await {
                return Err(Halt::End(end));
            }
        }
    }
}
