//! One step of the relay at work: settle, take out what is published, publish what is next.

use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::task::JoinHandle;
use tracing::{debug, error, warn};
use uuid::Uuid;

use super::Relay;
use crate::config::Config;
use crate::database::{CallError, Database};
use crate::dead_letters::Destinations;
use crate::error::Error;
use crate::kafka::complaints::advice;
use crate::metrics;
use crate::outlet::{DeadLetter, Outlet};

/// Events in one transaction of Kafka.
const MOST: i32 = 2_000;
/// Between two renewals of the lease while Kafka takes its time; the lease is some times as long.
const KEEP: Duration = Duration::from_millis(1_000);
/// Between two looks for dead letters, which nobody waits for.
const LETTERS: Duration = Duration::from_secs(1);
/// Before those that could not go out are tried again.
const LETTERS_AGAIN: Duration = Duration::from_secs(60);
/// Dead letters in one transaction of Kafka.
const MOST_LETTERS: i32 = 100;

/// Where a relay stands between two steps.
#[derive(Default)]
pub(super) struct Work {
    /// None before the first step, and behind an error of Kafka's.
    pub outlet: Option<Outlet>,
    /// What Kafka has and the outbox has too: place and id.
    published: Vec<(i64, Uuid)>,
    letters: Letters,
}

/// Dead letters between two steps.
#[derive(Default)]
struct Letters {
    /// What Kafka has and the table has too: place and offset.
    published: Vec<(i64, i64)>,
    /// When to look again; none is at once.
    due: Option<Instant>,
    /// Those up to this place could not go out, and are passed over until it is time to try again.
    passed: i64,
    again: Option<Instant>,
    /// Those up to this place go out one by one: Kafka has refused some of them.
    alone: i64,
    destinations: Destinations,
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
        let sent_letters = self.letters(config, name, work);
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
        work.published = events.iter().map(|event| (event.seq, event.id)).collect();
        Ok(true)
    }

    /// Publishes a page of dead letters, now and then, in a transaction of their own: one that Kafka refuses, for it is too large
    /// or the topic is closed to this login, must not hold up events, nor others of its like. Whether some went out.
    fn letters(&self, config: &Config, name: Uuid, work: &mut Work) -> bool {
        if work.letters.due.is_some_and(|due| Instant::now() < due) {
            return false;
        }
        work.letters.due = Some(Instant::now() + LETTERS);
        if work.letters.again.is_some_and(|at| Instant::now() >= at) {
            work.letters.again = None;
            work.letters.passed = 0;
        }
        let page = self.call(async {
            // Before these wait for Kafka, and whatever becomes of them.
            self.take_out(work).await?;
            let most = match work.letters.passed < work.letters.alone {
                true => 1,
                false => MOST_LETTERS,
            };
            let behind = work.letters.passed;
            self.database.next_dead_letters(&[], behind, most).await
        });
        let page = match page {
            Ok(page) => page,
            Err(Failed::Database(error)) => {
                warn!(code = error.code(), "looking for dead letters: {error}");
                return false;
            }
            Err(_) => return false,
        };
        let (Some(outlet), Some(last)) = (&work.outlet, page.last()) else {
            return false;
        };
        let last = last.seq;
        if last > work.letters.alone {
            work.letters.alone = 0;
        }
        let _kept = self.keep(name);
        let to = &mut work.letters.destinations;
        let (ready, waiting): (Vec<_>, Vec<_>) = page
            .into_iter()
            .partition(|letter| to.is_there(config, &self.runtime, &letter.destination));
        if !waiting.is_empty() {
            work.letters.pass(last);
        }
        if ready.is_empty() {
            return false;
        }
        if let Err(error) = outlet.publish_letters(&ready) {
            match &ready[..] {
                [one] => {
                    tell_refused(one, &error);
                    work.letters.pass(last);
                }
                _ => work.letters.alone = last,
            }
            // The topic may be gone. What the broker made of the transaction is not known: a new producer finds out.
            work.letters.destinations = Destinations::default();
            work.outlet = None;
        } else {
            debug!(letters = ready.len(), "relayed");
            let place = |letter: &DeadLetter| (letter.seq, letter.offset);
            work.letters.published = ready.iter().map(place).collect();
        }
        // There may be more.
        work.letters.due = None;
        true
    }

    /// Takes what is published out of the database.
    pub(super) async fn take_out(&self, work: &mut Work) -> Result<(), CallError> {
        if !work.published.is_empty() {
            self.database.next_events(&work.published, 0).await?;
            work.published.clear();
        }
        if !work.letters.published.is_empty() {
            let letters = &work.letters.published;
            self.database.next_dead_letters(letters, 0, 0).await?;
            work.letters.published.clear();
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

impl Letters {
    /// Goes on behind this place, and comes back some time later.
    fn pass(&mut self, place: i64) {
        self.passed = place;
        self.again.get_or_insert(Instant::now() + LETTERS_AGAIN);
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

fn tell_refused(letter: &DeadLetter, error: &KafkaError) {
    let advice = match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
            "; raise max.message.bytes of the topic, or DELETE it from deed.dead_letter: it stays in quarantine"
        }
        Some(code) => advice(code),
        None => "",
    };
    error!(
        topic = letter.destination,
        "a dead letter waits, the record of {}[{}] at offset {}, for Kafka does not take it: {error}{advice}; \
         events and other dead letters go on, and it is tried again in {LETTERS_AGAIN:?}",
        letter.topic,
        letter.partition,
        letter.offset
    );
}
