//! One step of the relay at work: settle, take out what is published, publish what is next.

use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use tokio::task::JoinHandle;
use tracing::debug;
use uuid::Uuid;

use super::Relay;
use super::letters::Letters;
use crate::config::Config;
use crate::database::{CallError, Database};
use crate::error::Error;
use crate::metrics;
use crate::outlet::Outlet;

/// Events in one transaction of Kafka.
const MOST: i32 = 2_000;
/// Between two renewals of the lease while Kafka takes its time; the lease is some times as long.
const KEEP: Duration = Duration::from_millis(1_000);

/// Where a relay stands between two steps.
#[derive(Default)]
pub(super) struct Work {
    /// None before the first step, and behind an error of Kafka's.
    pub outlet: Option<Outlet>,
    /// What Kafka has and the outbox has too: place and id.
    published: Vec<(i64, Uuid)>,
    pub letters: Letters,
}

impl Work {
    /// Leaves what Kafka has in the database, for somebody to publish it again.
    pub fn forget(&mut self) {
        self.published.clear();
        self.letters.published.clear();
    }
}

pub(super) enum Step {
    /// The producer is not ready yet.
    Opening,
    More,
    Nothing,
    /// Another relay is at work.
    Other,
}

pub(super) enum Failed {
    /// The process ends.
    Ending,
    Config(Error),
    Database(CallError),
    Kafka(KafkaError),
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        Failed::Database(error)
    }
}

impl From<KafkaError> for Failed {
    fn from(error: KafkaError) -> Self {
        match Error::from(error) {
            Error::Kafka(error) => Failed::Kafka(error),
            error => Failed::Config(error),
        }
    }
}

impl Relay {
    pub(super) fn step(
        &self,
        config: &Config,
        name: Uuid,
        work: &mut Work,
    ) -> Result<Step, Failed> {
        let settled = self.call(self.database.settle(name))?;
        let Some(more) = settled else {
            // Another one takes what this one has published for unpublished, and publishes it again.
            work.forget();
            return Ok(Step::Other);
        };
        let outlet = match &mut work.outlet {
            Some(outlet) => outlet,
            none => {
                let outbox = self.call(self.database.outbox_id())?;
                none.insert(Outlet::new(config, outbox)?)
            }
        };
        // Settling goes on meanwhile.
        if !outlet.is_ready()? {
            return Ok(Step::Opening);
        }
        // Statements of their own, which are over before anything is sent here: else this process, stopped meanwhile, would keep
        // the rows locked.
        self.call(self.take_out(work))?;
        let published = self.events(name, work)?;
        let letters = self.letters(config, name, work);
        Ok(match more || published || letters {
            true => Step::More,
            false => Step::Nothing,
        })
    }

    /// Publishes a page of events; whether there were some.
    fn events(&self, name: Uuid, work: &mut Work) -> Result<bool, Failed> {
        let events = self.call(self.database.next_events(&[], MOST))?;
        let Some(outlet) = work.outlet.as_ref().filter(|_| !events.is_empty()) else {
            return Ok(false);
        };
        let began = Instant::now();
        let _kept = self.keep(name);
        outlet.publish(&events)?;
        metrics::relayed(events.len(), began.elapsed());
        debug!(events = events.len(), "relayed");
        work.published = events.iter().map(|event| (event.seq, event.id)).collect();
        Ok(true)
    }

    /// Takes what is published out of the database.
    pub(super) async fn take_out(&self, work: &mut Work) -> Result<(), CallError> {
        if !work.published.is_empty() {
            self.database.next_events(&work.published, 0).await?;
            work.published.clear();
        }
        if !work.letters.published.is_empty() {
            let letters = &work.letters.published;
            self.database.next_letters(letters, 0, 0).await?;
            work.letters.published.clear();
        }
        Ok(())
    }

    /// Keeps the lease while Kafka takes its time, until it is dropped.
    pub(super) fn keep(&self, name: Uuid) -> Kept {
        Kept(self.runtime.spawn(keep(self.database.clone(), name)))
    }
}

pub(super) struct Kept(JoinHandle<()>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn keep(database: Database, name: Uuid) {
    loop {
        tokio::time::sleep(KEEP).await;
        // One that fails is made up for by the next.
        let _ = database.settle(name).await;
    }
}
