//! Dead letters on their way out: beside the events, and never in their way.
//!
//! In transactions of their own, one a topic, for one that Kafka refuses must hold up neither events nor others of its like. A
//! topic that takes none waits for a while. Where a record is what Kafka refuses, those around it go out one by one.
//! What could not go out is passed over, and tried again once all that was there has had its turn.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tracing::{debug, error, warn};
use uuid::Uuid;

use super::Relay;
use super::step::{Failed, Work};
use crate::config::Config;
use crate::dead_letters::Destinations;
use crate::kafka::complaints::advice;
use crate::log_limit::LogLimit;
use crate::outlet::DeadLetter;

/// Between two looks, for nobody waits for them.
const LOOK: Duration = Duration::from_secs(1);
/// Before those that could not go out are tried again.
const AGAIN: Duration = Duration::from_secs(60);
/// In one look.
const MOST: i32 = 100;

/// Where they stand between two steps.
#[derive(Default)]
pub(super) struct Letters {
    /// What Kafka has and the table has too: place and id.
    pub published: Vec<(i64, Uuid)>,
    /// When to look again; none is at once.
    due: Option<Instant>,
    /// Those up to this place that are left could not go out.
    passed: i64,
    /// As far as the turn before this one came.
    turn: i64,
    /// When the next turn begins; none before this one has come as far as the one before.
    again: Option<Instant>,
    /// Those up to this place go out one by one.
    alone: i64,
    destinations: Destinations,
    limit: LogLimit,
}

impl Letters {
    fn begin_turn(&mut self) {
        if self.again.is_some_and(|at| Instant::now() >= at) {
            (self.turn, self.passed, self.again) = (self.passed, 0, None);
        }
    }

    fn most(&self) -> i32 {
        match self.passed < self.alone {
            true => 1,
            false => MOST,
        }
    }

    /// `last` is the last place of a page, none behind the last letter.
    fn end_turn(&mut self, last: Option<i64>) {
        if self.passed > 0 && last.is_none_or(|last| last >= self.turn) {
            self.again.get_or_insert(Instant::now() + AGAIN);
        }
    }
}

impl Relay {
    /// Publishes a page of them, now and then; whether there may be more to do at once.
    pub(super) fn letters(&self, config: &Config, name: Uuid, work: &mut Work) -> bool {
        if work.letters.due.is_some_and(|due| Instant::now() < due) {
            return false;
        }
        work.letters.due = Some(Instant::now() + LOOK);
        work.letters.begin_turn();
        let page = self.call(async {
            // Before these wait for Kafka, and whatever becomes of them.
            self.take_out(work).await?;
            let (behind, most) = (work.letters.passed, work.letters.most());
            self.database.next_letters(&[], behind, most).await
        });
        let page = match page {
            Ok(page) => page,
            Err(Failed::Database(error)) => {
                if work.letters.limit.passes() {
                    warn!(code = error.code(), "looking for dead letters: {error}");
                }
                return false;
            }
            Err(_) => return false,
        };
        let last = page.last().map(|letter| letter.seq);
        work.letters.end_turn(last);
        let Some(last) = last else {
            return false;
        };
        if last > work.letters.alone {
            work.letters.alone = 0;
        }
        let _kept = self.keep(name);
        let mut topics: BTreeMap<String, Vec<DeadLetter>> = BTreeMap::new();
        for letter in page {
            let of_topic = topics.entry(letter.destination.clone()).or_default();
            of_topic.push(letter);
        }
        let mut waits = false;
        for (topic, letters) in topics {
            let destinations = &mut work.letters.destinations;
            if !destinations.is_there(config, &self.runtime, &topic) {
                waits = true;
            } else if !self.publish_letters(work, &topic, &letters) {
                // What the broker made of the transaction is not known: a new producer finds out.
                work.outlet = None;
                work.letters.due = None;
                return true;
            }
        }
        if waits {
            work.letters.passed = last;
        }
        // There may be more.
        work.letters.due = None;
        true
    }

    /// Those of one topic; false when Kafka does not take them.
    fn publish_letters(&self, work: &mut Work, topic: &str, letters: &[DeadLetter]) -> bool {
        let Some(outlet) = &work.outlet else {
            return false;
        };
        let Err(error) = outlet.publish_letters(letters) else {
            debug!(topic, letters = letters.len(), "relayed");
            let places = letters.iter().map(|letter| (letter.seq, letter.id));
            work.letters.published.extend(places);
            return true;
        };
        let of = &mut work.letters;
        match letters {
            [one] if is_about_a_record(&error) => {
                of.destinations.forget(topic);
                of.passed = one.seq;
                if of.limit.passes() {
                    tell_refused(one, &error);
                }
            }
            [.., last] if is_about_a_record(&error) => of.alone = last.seq,
            _ => {
                let advice = error.rdkafka_error_code().map_or("", advice);
                of.destinations.refuse(topic);
                error!(
                    topic,
                    "dead letters wait, for Kafka does not take them: {error}{advice}; events go on"
                );
            }
        }
        false
    }
}

/// Whether another record might be taken.
fn is_about_a_record(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        InvalidRecord, InvalidTimestamp, MessageBatchTooLarge, MessageSizeTooLarge,
    };
    let code = error.rdkafka_error_code();
    [
        MessageSizeTooLarge,
        MessageBatchTooLarge,
        InvalidRecord,
        InvalidTimestamp,
    ]
    .iter()
    .any(|of_record| code.as_ref() == Some(of_record))
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
         events and other dead letters go on, and it is tried again in {AGAIN:?}",
        letter.topic,
        letter.partition,
        letter.offset
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if [`AGAIN`] had passed.
    fn later(letters: &mut Letters) {
        letters.again = letters.again.map(|_| Instant::now());
        letters.begin_turn();
    }

    #[test]
    fn a_turn_begins_once_the_last_one_was_overtaken() {
        let mut letters = Letters::default();
        letters.end_turn(Some(1));
        assert!(letters.again.is_none(), "nothing was passed over");
        letters.passed = 40;
        letters.end_turn(Some(41));
        later(&mut letters);
        assert_eq!((letters.passed, letters.turn), (0, 40));
        letters.passed = 20;
        letters.end_turn(Some(30));
        later(&mut letters);
        assert_eq!(letters.passed, 20, "those behind come first");
        letters.end_turn(Some(50));
        letters.passed = 60;
        later(&mut letters);
        assert_eq!((letters.passed, letters.turn), (0, 60));
    }

    #[test]
    fn a_turn_ends_behind_the_last_one() {
        let mut letters = Letters {
            passed: 20,
            turn: 40,
            ..Letters::default()
        };
        letters.end_turn(None);
        later(&mut letters);
        assert_eq!((letters.passed, letters.turn), (0, 20));
    }
}
