//! The way out: a transactional producer, and the outbox's events as CloudEvents in binary mode.

use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::util::Timeout;
use uuid::Uuid;

use crate::config::Config;
use crate::kafka;

/// Where the events go.
pub const TOPIC: &str = "deed.events";
/// The CloudEvents `source` of them all.
const SOURCE: &str = "deed";
/// For the broker to answer, at a time and in all: a predecessor's transaction ends within ten seconds.
const OPENING: Duration = Duration::from_secs(1);
const OPENED: Duration = Duration::from_secs(15);
/// For the broker to have an event.
const DELIVERY: Duration = Duration::from_millis(1);
/// For room in the producer's queue.
const ROOM: Duration = Duration::from_millis(50);

/// An event of the outbox.
pub struct Event {
    /// Its place there.
    pub seq: i64,
    /// CloudEvents `id`.
    pub id: Uuid,
    /// CloudEvents `type`.
    pub kind: String,
    /// CloudEvents `subject`, and the record's key.
    pub subject: Uuid,
    /// CloudEvents `data`, as JSON.
    pub data: String,
    /// CloudEvents `time`, in RFC 3339.
    pub time: String,
}

/// The producer of one relay.
pub struct Outlet {
    producer: BaseProducer,
    is_ready: bool,
    opened: Instant,
}

impl Outlet {
    /// The way out of the outbox with this id.
    pub fn new(config: &Config, outbox: Uuid) -> KafkaResult<Self> {
        let producer = BaseProducer::from_config(&kafka::producer(config, outbox))?;
        Ok(Outlet {
            producer,
            is_ready: false,
            opened: Instant::now(),
        })
    }

    /// Whether the broker knows this one: from then on it refuses whatever a predecessor sends. Waits a moment
    /// for it, and for what a predecessor left half done; to be asked again, until it takes too long.
    pub fn is_ready(&mut self) -> KafkaResult<bool> {
        if !self.is_ready {
            match self.producer.init_transactions(OPENING) {
                Ok(()) => self.is_ready = true,
                Err(KafkaError::Transaction(error))
                    if error.is_retriable() && self.opened.elapsed() < OPENED => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.is_ready)
    }

    /// Publishes the events in one transaction, in order; an error leaves open whether they were. It ends within
    /// the transaction's timeout. Behind an error the outlet is of no use.
    pub fn publish(&self, events: &[Event]) -> KafkaResult<()> {
        self.producer.begin_transaction()?;
        for event in events {
            self.send(event)?;
        }
        // Committing waits for them too, but looks only every 100 ms (rdkafka 0.39, `BaseProducer::flush`). Those that can't be
        // delivered fail within the transaction's timeout.
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(DELIVERY);
        }
        // Bounded by the transaction's own timeout; a shorter one could leave the client in doubt of its state.
        self.producer.commit_transaction(Timeout::Never)
    }

    fn send(&self, event: &Event) -> KafkaResult<()> {
        let id = event.id.to_string();
        let subject = event.subject.to_string();
        let headers = [
            ("ce_specversion", "1.0"),
            ("ce_id", &id),
            ("ce_source", SOURCE),
            ("ce_type", &event.kind),
            ("ce_subject", &subject),
            ("ce_time", &event.time),
            ("content-type", "application/json"),
        ];
        let named = |key, value| Header {
            key,
            value: Some(value),
        };
        let headers = headers.into_iter().fold(
            OwnedHeaders::new_with_capacity(7),
            |headers, (key, value)| headers.insert(named(key, value)),
        );
        let mut record = BaseRecord::to(TOPIC)
            .key(&subject)
            .payload(&event.data)
            .headers(headers);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    record = refused;
                    self.producer.poll(ROOM);
                }
                Err((error, _)) => return Err(error),
            }
        }
    }
}
