//! The relay: has Postgres settle what is marked, and carries the outbox to Kafka.
//!
//! Of all relays of an outbox one is at work, by a lease in Postgres; the others stand by. One that was stopped and
//! goes on behind its lease is fenced by the broker, for its successor has its producer's transactional id.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use crate::config::Config;
use crate::database::{CallError, Database};
use crate::error::Error;
use crate::log_limit::LogLimit;
use crate::outlet::Outlet;
use crate::verdict::{Verdict, advice};

/// Events in one transaction of Kafka.
const MOST: i32 = 2_000;
/// Between two looks at an empty outbox, when no partition of this process says that it has applied something.
const IDLE: Duration = Duration::from_millis(100);
/// Between two looks at whether another relay is still at work.
const STANDBY: Duration = Duration::from_millis(1_000);
/// Between two renewals of the lease while Kafka commits; the lease is some times as long.
const KEEP: Duration = Duration::from_millis(1_000);
/// After a failure of Kafka, and of Postgres.
const FAILED: Duration = Duration::from_secs(1);

/// What a relay needs.
pub struct Relay {
    /// Where the outbox is.
    pub database: Database,
    /// Where the calls run.
    pub runtime: Handle,
    /// Told when something was applied here.
    pub applied: Arc<Notify>,
    /// True when the process ends.
    pub shutdown: watch::Receiver<bool>,
}

/// Whether this relay is at work; it is told in the log when that changes.
#[derive(PartialEq)]
enum Turn {
    Unknown,
    Other,
    Own,
}

impl Relay {
    /// Relays until `shutdown` turns true. Blocks its thread, which must not be one of the runtime's.
    pub fn run(self, config: &Config) -> Result<(), Error> {
        let name = Uuid::new_v4();
        let mut turn = Turn::Unknown;
        let mut outlet = None;
        let mut published = Vec::new();
        let mut limit = LogLimit::default();
        info!(relay = %name, topic = crate::outlet::TOPIC, "relay starts");
        while !*self.shutdown.borrow() {
            let done = self.step(config, name, &mut outlet, &mut published);
            let now = match done {
                Ok(Step::More) => Turn::Own,
                Ok(Step::Nothing) => {
                    self.wait();
                    Turn::Own
                }
                Ok(Step::Other) => {
                    outlet = None;
                    self.pause(STANDBY);
                    Turn::Other
                }
                Err(Failed::Config(error)) => return Err(error),
                Err(Failed::Database(error)) => {
                    if limit.passes() {
                        tell(&error);
                    }
                    self.pause(FAILED);
                    continue;
                }
                Err(Failed::Kafka(error)) => {
                    // What the broker made of the last transaction is not known: its successor finds out, and
                    // events that went out already go out once more, with the ids they have.
                    outlet = None;
                    if limit.passes() {
                        warn!("the relay starts over with a new producer: {error}");
                    }
                    self.pause(FAILED);
                    continue;
                }
            };
            if now != turn {
                match now {
                    Turn::Own => info!(relay = %name, "this relay is at work"),
                    _ => info!(relay = %name, "another relay is at work: standing by"),
                }
                turn = now;
            }
        }
        if turn == Turn::Own {
            let release = async {
                self.database.next_events(&published, 0).await?;
                self.database.release_relay(name).await
            };
            if let Err(error) = self.runtime.block_on(release) {
                warn!("the relay's lease ends by itself: {error}");
            }
        }
        info!("relay stopped");
        Ok(())
    }

    fn step(
        &self,
        config: &Config,
        name: Uuid,
        outlet: &mut Option<Outlet>,
        published: &mut Vec<i64>,
    ) -> Result<Step, Failed> {
        let settled = self.runtime.block_on(self.database.settle(name))?;
        let Some(more) = settled else {
            // Another one takes what this one has published for unpublished, and publishes it again.
            published.clear();
            return Ok(Step::Other);
        };
        let outlet = match outlet {
            Some(outlet) => outlet,
            None => {
                let outbox = self.runtime.block_on(self.database.outbox_id())?;
                outlet.insert(Outlet::new(config, outbox)?)
            }
        };
        // Settling goes on meanwhile, for as long as the lease is kept.
        if !outlet.is_ready()? {
            return Ok(Step::More);
        }
        let events = self
            .runtime
            .block_on(self.database.next_events(published, MOST))?;
        published.clear();
        if events.is_empty() {
            return Ok(if more { Step::More } else { Step::Nothing });
        }
        let keeping = self.runtime.spawn(keep(self.database.clone(), name));
        let published_all = outlet.publish(&events);
        keeping.abort();
        published_all?;
        debug!(events = events.len(), "relayed");
        *published = events.iter().map(|event| event.seq).collect();
        Ok(Step::More)
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

/// Keeps the lease while Kafka takes its time.
async fn keep(database: Database, name: Uuid) {
    loop {
        tokio::time::sleep(KEEP).await;
        // One that fails is made up for by the next.
        let _ = database.settle(name).await;
    }
}

enum Step {
    More,
    Nothing,
    /// Another relay is at work.
    Other,
}

enum Failed {
    Config(Error),
    Database(CallError),
    Kafka(rdkafka::error::KafkaError),
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        Failed::Database(error)
    }
}

impl From<rdkafka::error::KafkaError> for Failed {
    fn from(error: rdkafka::error::KafkaError) -> Self {
        match Error::from(error) {
            Error::Kafka(error) => Failed::Kafka(error),
            error => Failed::Config(error),
        }
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
