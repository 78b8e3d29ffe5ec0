//! The way out: a transactional producer, and the outbox's events as CloudEvents in binary mode.

use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders, ToBytes};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::util::Timeout;
use uuid::Uuid;

use crate::config::Config;
use crate::kafka;
use crate::kafka::complaints::Complaints;

/// Where the events go.
pub const TOPIC: &str = "deed.events";
/// The CloudEvents `source` of them all.
const SOURCE: &str = "deed";
/// For the broker to answer, at a time and in all: a predecessor's transaction ends within ten seconds.
const OPENING: Duration = Duration::from_secs(1);
const OPENED: Duration = Duration::from_secs(15);
/// Between two looks whether the broker has the events.
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
    /// The trace that it belongs to.
    pub traceparent: Option<String>,
}

/// A quarantined record on its way to a dead-letter topic.
pub struct DeadLetter {
    /// Its place among them.
    pub seq: i64,
    /// What tells it from all others.
    pub id: Uuid,
    /// That topic.
    pub destination: String,
    /// As the record had it.
    pub key: Option<Vec<u8>>,
    /// As the record had them, in order.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// As the record had it.
    pub payload: Option<Vec<u8>>,
    /// Who could not apply it.
    pub group: String,
    /// Where it came from.
    pub topic: String,
    /// Where it came from.
    pub partition: i32,
    /// Its place there.
    pub offset: i64,
    /// What is wrong with it.
    pub reason: String,
}

/// The producer of one relay.
pub struct Outlet {
    producer: BaseProducer<Complaints>,
    context_headers: bool,
    is_ready: bool,
    opened: Instant,
}

impl Outlet {
    /// The way out of the outbox with this id.
    pub fn new(config: &Config, outbox: Uuid) -> KafkaResult<Self> {
        let client = kafka::producer(config, outbox);
        let producer = BaseProducer::from_config_and_context(&client, Complaints::default())?;
        Ok(Outlet {
            producer,
            context_headers: config.errors.context_headers,
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
        #[cfg(feature = "otel")]
        let mut sending = crate::traces::Sending::default();
        let done = self.transact(|| {
            for event in events {
                #[cfg(feature = "otel")]
                let trace = sending.begin(event);
                #[cfg(not(feature = "otel"))]
                let trace = event.traceparent.clone();
                self.send(event, trace.as_deref())?;
            }
            Ok(())
        });
        #[cfg(feature = "otel")]
        sending.end(done.as_ref().map(drop).map_err(ToString::to_string));
        done
    }

    /// The same for dead letters.
    pub fn publish_letters(&self, letters: &[DeadLetter]) -> KafkaResult<()> {
        self.transact(|| {
            letters
                .iter()
                .try_for_each(|letter| self.send_letter(letter))
        })
    }

    fn transact(&self, send: impl FnOnce() -> KafkaResult<()>) -> KafkaResult<()> {
        self.producer.begin_transaction()?;
        send()?;
        // Committing waits for them too, but looks only every 100 ms (rdkafka 0.39, `BaseProducer::flush`). Those that can't be
        // delivered fail within the transaction's timeout.
        let mut waiting = self.producer.in_flight_count();
        while waiting > 0 {
            self.producer.poll(Duration::ZERO);
            let before = std::mem::replace(&mut waiting, self.producer.in_flight_count());
            if waiting == before {
                // `poll` itself would wait, but spins through the last millisecond of it (rdkafka 0.39).
                std::thread::sleep(DELIVERY);
            }
        }
        // Bounded by the transaction's own timeout; a shorter one could leave the client in doubt of its state.
        self.producer.commit_transaction(Timeout::Never)
    }

    fn send(&self, event: &Event, trace: Option<&str>) -> KafkaResult<()> {
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
        let headers = headers
            .into_iter()
            .chain(trace.map(|trace| ("traceparent", trace)))
            .fold(OwnedHeaders::new_with_capacity(8), add);
        let record = BaseRecord::to(TOPIC)
            .key(&subject)
            .payload(&event.data)
            .headers(headers);
        self.enqueue(record)
    }

    fn send_letter(&self, letter: &DeadLetter) -> KafkaResult<()> {
        let mut headers = OwnedHeaders::new_with_capacity(letter.headers.len() + 8);
        for (name, value) in &letter.headers {
            headers = headers.insert(Header {
                // The client takes names of UTF-8 only.
                key: &String::from_utf8_lossy(name),
                value: value.as_deref(),
            });
        }
        if self.context_headers {
            headers = context(letter)
                .into_iter()
                .fold(headers, |headers, (name, value)| {
                    add(headers, (name, &value))
                });
        }
        let mut record = BaseRecord::to(&letter.destination).headers(headers);
        record.key = letter.key.as_deref();
        record.payload = letter.payload.as_deref();
        self.enqueue(record)
    }

    fn enqueue<K, P>(&self, mut record: BaseRecord<'_, K, P>) -> KafkaResult<()>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
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

fn add(headers: OwnedHeaders, (key, value): (&str, &str)) -> OwnedHeaders {
    headers.insert(Header {
        key,
        value: Some(value),
    })
}

/// The headers of Kafka Connect's dead letters (`DeadLetterQueueReporter`), with what there is here in the place of
/// connector, class and exception.
fn context(letter: &DeadLetter) -> [(&'static str, String); 9] {
    [
        ("__connect.errors.topic", letter.topic.clone()),
        ("__connect.errors.partition", letter.partition.to_string()),
        ("__connect.errors.offset", letter.offset.to_string()),
        ("__connect.errors.connector.name", letter.group.clone()),
        ("__connect.errors.task.id", letter.partition.to_string()),
        ("__connect.errors.stage", "TASK_PUT".to_owned()),
        ("__connect.errors.class.name", "deed.apply_batch".to_owned()),
        (
            "__connect.errors.exception.class.name",
            "deed.quarantine".to_owned(),
        ),
        ("__connect.errors.exception.message", letter.reason.clone()),
    ]
}
