//! Calls to Postgres, repeated until they succeed or never will.

use std::pin::pin;

use tracing::{error, info, warn};

use super::{FENCED_WAIT, Halt, Partition, RECLAIM_WAIT};
use crate::backoff::Backoff;
use crate::database::{CallError, PATIENCE};
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
        let mut backoff = Backoff::default();
        let (mut limit, mut silence) = (LogLimit::default(), LogLimit::default());
        let mut failed = false;
        loop {
            let mut under_way = pin!(call());
            let answer = tokio::select! {
                answer = &mut under_way => answer,
                () = tokio::time::sleep(PATIENCE) => {
                    if silence.passes() {
                        warn!(of = %self.id, "{name}: Postgres has not answered for {PATIENCE:?}, and is waited for");
                    }
                    self.waits(&mut failed, format!("{name}: no answer for {PATIENCE:?}"));
                    under_way.await
                }
            };
            let error = match answer {
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
            let verdict = error.verdict();
            match verdict {
                Verdict::Retry => {
                    if limit.passes() {
                        warn!(%of, code, "{name} will be repeated until Postgres answers: {error}");
                    }
                }
                Verdict::Park | Verdict::Divide => {
                    if limit.passes() {
                        let advice = advice(code);
                        error!(%of, code, "{name} is refused, and repeated now and then: {error}; {advice}");
                    }
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
            }
            self.waits(&mut failed, format!("{name}: {error}"));
            if let Some(end) = self.pause(backoff.after(verdict)).await {
                return Err(Halt::End(end));
            }
        }
    }

    fn waits(&self, failed: &mut bool, why: String) {
        if !*failed {
            *failed = true;
            self.report(What::Delayed);
        }
        self.is(State::Waiting(why));
    }
}
