//! One step of the relay at work: settle, take out what is published, publish what is next.

use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use tokio::task::JoinHandle;
use tracing::{debug, error};
use uuid::Uuid;

use super::Relay;
use crate::config::Config;
use crate::database::{CallError, Database};
use crate::dead_letters::Destinations;
use crate::error::Error;
use crate::metrics;
use crate::outlet::{DeadLetter, Outlet};

/// Events in one transaction of Kafka.
const MOST: i32 = 2_000;
/// Between two renewals of the lease while Kafka takes its time; the lease is some times as long.
const KEEP: Duration = Duration::from_millis(1_000);
/// Between two looks for dead letters, which nobody waits for.
const LETTERS: Duration = Duration::from_secs(1);
/// The same when Kafka has refused some.
const LETTERS_REFUSED: Duration = Duration::from_secs(30);
/// Dead letters in one transaction of Kafka.
const MOST_LETTERS: i32 = 100;

/// Where a relay stands between two steps.
#[derive(Default)]
pub(super) struct Work {
    /// None before the first step, and behind an error of Kafka's.
    pub outlet: Option<Outlet>,
    /// What Kafka has and the outbox has too.
    published: Vec<i64>,
    published_letters: Vec<i64>,
    /// When to look for dead letters again; none is at once.
    letters_due: Option<Instant>,
    destinations: Destinations,
}

impl Work {
    /// Leaves what Kafka has in the outbox, for somebody to publish it again.
    pub fn forget(&mut self) {
        self.published.clear();
        self.published_letters.clear();
    }
}

pub(super) enum Step {
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
            return Ok(Step::More);
        }
        // Statements of their own, which are over before anything is sent here: else this process, stopped meanwhile, would keep
        // the rows locked.
        self.call(self.take_out(work))?;
        let published = self.events(name, work)?;
        let sent_letters = self.letters(config, name, work)?;
        Ok(match more || published || sent_letters {
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
        work.published = events.iter().map(|event| event.seq).collect();
        Ok(true)
    }

    /// Publishes a page of dead letters, now and then, in a transaction of their own: one that Kafka refuses, for it is too large
    /// or the topic is closed to this login, must not hold up events. Whether some went out.
    fn letters(&self, config: &Config, name: Uuid, work: &mut Work) -> Result<bool, Failed> {
        if work.letters_due.is_some_and(|due| Instant::now() < due) {
            return Ok(false);
        }
        work.letters_due = Some(Instant::now() + LETTERS);
        let mut letters = self.call(self.database.next_dead_letters(&[], MOST_LETTERS))?;
        let Some(outlet) = work.outlet.as_ref().filter(|_| !letters.is_empty()) else {
            return Ok(false);
        };
        let _kept = self.keep(name);
        let to = &mut work.destinations;
        let ready = letters
            .iter()
            .take_while(|letter| to.is_there(config, &self.runtime, outlet, &letter.destination));
        let ready = ready.count();
        letters.truncate(ready);
        if letters.is_empty() {
            return Ok(false);
        }
        if let Err(error) = outlet.publish_letters(&letters) {
            tell_refused(&letters, &error);
            // What the broker made of the transaction is not known: a new producer finds out.
            work.outlet = None;
            work.letters_due = Some(Instant::now() + LETTERS_REFUSED);
            return Ok(true);
        }
        debug!(letters = letters.len(), "relayed");
        work.published_letters = letters.iter().map(|letter| letter.seq).collect();
        // There may be more.
        work.letters_due = None;
        Ok(true)
    }

    /// Takes what is published out of the database.
    pub(super) async fn take_out(&self, work: &mut Work) -> Result<(), CallError> {
        if !work.published.is_empty() {
            self.database.next_events(&work.published, 0).await?;
            work.published.clear();
        }
        if !work.published_letters.is_empty() {
            let letters = &work.published_letters;
            self.database.next_dead_letters(letters, 0).await?;
            work.published_letters.clear();
        }
        Ok(())
    }

    /// Runs a call, unless the process ends before it does: then Postgres goes on without anybody listening.
    fn call<T>(&self, call: impl Future<Output = Result<T, CallError>>) -> Result<T, Failed> {
        let mut shutdown = self.shutdown.clone();
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|ending| *ending) => Err(Failed::Ending),
                answer = call => Ok(answer?),
            }
        })
    }

    /// Keeps the lease while Kafka takes its time, until it is dropped.
    fn keep(&self, name: Uuid) -> Kept {
        Kept(self.runtime.spawn(keep(self.database.clone(), name)))
    }
}

struct Kept(JoinHandle<()>);

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

fn tell_refused(letters: &[DeadLetter], error: &KafkaError) {
    let first = &letters[0];
    error!(
        topic = first.destination,
        "dead letters wait, {} of them and the first from {}[{}] offset {}, for Kafka does not take them: {error}; events go on. \
         Does the topic take records as large, and may the login WRITE to it?",
        letters.len(),
        first.topic,
        first.partition,
        first.offset
    );
}
