//! The relay: has Postgres settle what is marked, and carries the outbox to Kafka.
//!
//! Of all relays of an outbox one is at work, by a lease in Postgres; the others stand by. One that was stopped and
//! goes on behind its lease is fenced by the broker, for its successor has its producer's transactional id.

use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::config::Config;
use crate::database::{CallError, Database, PATIENCE};
use crate::error::Error;
use crate::health::Health;
use crate::log_limit::LogLimit;
use crate::metrics;
use crate::verdict::{Verdict, advice};

mod letters;
mod step;

use step::{Failed, Step, Work};

/// Between two looks at an empty outbox, when no partition of this process says that it has applied something.
const IDLE: Duration = Duration::from_millis(100);
/// Between two looks at whether another relay is still at work.
const STANDBY: Duration = Duration::from_millis(1_000);
/// Between two signs of life while it does.
const STEP: Duration = Duration::from_secs(1);
/// After a failure of Kafka: longer than others wait between two looks.
const GIVEN_UP: Duration = Duration::from_millis(2_500);
/// For Postgres at the end.
const RELEASE: Duration = Duration::from_secs(1);
/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(10);

/// What a relay needs.
pub struct Relay {
    /// Where the outbox is.
    pub database: Database,
    /// Where the calls run.
    pub runtime: Handle,
    /// Told how it is.
    pub health: Arc<Health>,
    /// Told when something was applied here.
    pub applied: Arc<Notify>,
    /// True when the process ends.
    pub shutdown: watch::Receiver<bool>,
}

/// Waits for a relay that was told to end. One that waits for Kafka is left: its transaction is undone, or its successor finds it done.
pub fn join(relay: JoinHandle<Result<(), Error>>, at_most: Duration) -> Result<(), Error> {
    let deadline = Instant::now() + at_most;
    while !relay.is_finished() && Instant::now() < deadline {
        std::thread::sleep(LOOK);
    }
    match relay.is_finished() {
        true => relay.join().expect("a panic ends the process"),
        false => {
            warn!("the relay waits for Kafka, and is abandoned");
            Ok(())
        }
    }
}

/// Whether this relay is at work; it is told in the log when that changes.
#[derive(PartialEq)]
enum Turn {
    Unknown,
    Other,
    Own,
}

impl Relay {
    /// Runs on a thread of its own; when it ends, so does everything else.
    pub fn spawn(
        self,
        config: &Arc<Config>,
        ending: &Arc<watch::Sender<bool>>,
    ) -> std::io::Result<JoinHandle<Result<(), Error>>> {
        let (config, ending) = (config.clone(), ending.clone());
        std::thread::Builder::new()
            .name("relay".into())
            .spawn(move || {
                let done = self.run(&config);
                let _ = ending.send(true);
                done
            })
    }

    /// Relays until `shutdown` turns true. Blocks its thread, which must not be one of the runtime's.
    pub fn run(self, config: &Config) -> Result<(), Error> {
        let name = Uuid::new_v4();
        let mut turn = Turn::Unknown;
        let mut work = Work::default();
        let mut limit = LogLimit::default();
        let mut backoff = Backoff::default();
        self.health
            .heard("relay", Err("not at work yet".to_owned()));
        info!(relay = %name, topic = crate::outlet::TOPIC, "relay starts");
        while !*self.shutdown.borrow() {
            self.health.step("relaying");
            let done = self.step(config, name, &mut work);
            let now = match done {
                Ok(Step::Opening) => continue,
                Ok(Step::More) => Turn::Own,
                Ok(Step::Nothing) => {
                    self.wait();
                    Turn::Own
                }
                Ok(Step::Other) => {
                    work.outlet = None;
                    self.pause(STANDBY);
                    Turn::Other
                }
                Err(Failed::Ending) => break,
                Err(Failed::Config(error)) => return Err(error),
                Err(Failed::Database(error)) => {
                    self.health
                        .heard("relay", Err(format!("Postgres: {error}")));
                    // Behind a failover to an older state the same places may be other events'.
                    work.forget();
                    if limit.passes() {
                        tell(&error);
                    }
                    // Its lease ends meanwhile.
                    turn = Turn::Unknown;
                    metrics::relay_active(false);
                    self.pause(backoff.after(error.verdict()));
                    continue;
                }
                Err(Failed::Kafka(error)) => {
                    // What the broker made of the last transaction is not known: its successor finds out, and
                    // events that went out already go out once more, with the ids they have.
                    work.outlet = None;
                    self.health
                        .heard("relay", Err(format!("Kafka does not take events: {error}")));
                    if limit.passes() {
                        warn!(
                            topic = crate::outlet::TOPIC,
                            "events wait in the outbox, for Kafka does not take them: {error}; \
                             is kafka_bootstrap right, is the broker up, and is there such a topic?"
                        );
                    }
                    // Another instance may reach it.
                    self.release(name);
                    turn = Turn::Unknown;
                    metrics::relay_active(false);
                    self.pause(GIVEN_UP);
                    continue;
                }
            };
            self.health.heard("relay", Ok(()));
            backoff = Backoff::default();
            if now != turn {
                match now {
                    Turn::Own => info!(relay = %name, "this relay is at work"),
                    _ => info!(relay = %name, "another relay is at work: standing by"),
                }
                metrics::relay_active(now == Turn::Own);
                turn = now;
            }
        }
        if turn == Turn::Own {
            let taken_out = self.take_out(&mut work);
            // What is not taken out goes out again.
            let _ = self
                .runtime
                .block_on(async { tokio::time::timeout(RELEASE, taken_out).await });
            self.release(name);
        }
        info!("relay stopped");
        Ok(())
    }

    /// Runs a call, unless the process ends before it does: then Postgres goes on without anybody listening. One that takes its
    /// time, as a commit does that waits for a standby, is waited for: repeated it would wait again.
    fn call<T>(&self, call: impl Future<Output = Result<T, CallError>>) -> Result<T, Failed> {
        let mut shutdown = self.shutdown.clone();
        let began = Instant::now();
        self.runtime.block_on(async {
            let mut call = pin!(call);
            loop {
                tokio::select! {
                    biased;
                    _ = shutdown.wait_for(|ending| *ending) => return Err(Failed::Ending),
                    answer = &mut call => return Ok(answer?),
                    () = tokio::time::sleep(STEP) => {}
                }
                self.health.step("relaying");
                if began.elapsed() > PATIENCE {
                    self.health.heard(
                        "relay",
                        Err(format!("Postgres: no answer for {PATIENCE:?}")),
                    );
                }
            }
        })
    }

    /// Lets another relay take over at once.
    fn release(&self, name: Uuid) {
        let released = self.database.release_relay(name);
        let released = self
            .runtime
            .block_on(async { tokio::time::timeout(RELEASE, released).await });
        if !matches!(released, Ok(Ok(()))) {
            warn!("Postgres does not answer: the relay's lease ends by itself");
        }
    }

    /// Until something is applied here, at most [`IDLE`].
    fn wait(&self) {
        self.runtime.block_on(async {
            tokio::select! {
                () = self.applied.notified() => {}
                () = tokio::time::sleep(IDLE) => {}
            }
        });
    }

    /// For that long, unless the process ends.
    fn pause(&self, at_most: Duration) {
        let mut shutdown = self.shutdown.clone();
        self.runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(at_most) => {}
                _ = shutdown.wait_for(|ending| *ending) => {}
            }
        });
    }
}

fn tell(error: &CallError) {
    let code = error.code();
    match error.verdict() {
        Verdict::Retry => warn!(code, "the relay goes on when Postgres answers: {error}"),
        _ => error!(
            code,
            "the relay is refused, and tries again: {error}; {}",
            advice(code)
        ),
    }
}
