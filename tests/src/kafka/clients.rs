//! What the tests do with a broker as its clients: topics, ends, records.

use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;

use super::{DEADLINE, Kafka};
use crate::event::{self, Record};

impl Kafka {
    /// Creates a topic.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), String> {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let outcome = block_on(self.admin()?.create_topics(&[topic], &options()));
        one(name, outcome)
    }

    /// Whether the broker knows the topic.
    pub fn has_topic(&self, name: &str) -> Result<bool, String> {
        let client = self.reader()?;
        let metadata = client.fetch_metadata(None, DEADLINE);
        let metadata = metadata.map_err(|error| format!("topics: {error}"))?;
        Ok(metadata.topics().iter().any(|topic| topic.name() == name))
    }

    /// Deletes a topic.
    pub fn delete_topic(&self, name: &str) -> Result<(), String> {
        let outcome = block_on(self.admin()?.delete_topics(&[name], &options()));
        one(name, outcome)
    }

    /// The offset behind the last record of each partition, in their order.
    pub fn ends(&self, topic: &str) -> Result<Vec<i64>, String> {
        let describe = |error| format!("topic {topic}: {error}");
        let client = self.reader()?;
        let metadata = client
            .fetch_metadata(Some(topic), DEADLINE)
            .map_err(describe)?;
        let partitions = metadata
            .topics()
            .iter()
            .flat_map(|topic| topic.partitions());
        let mut ids: Vec<i32> = partitions.map(|partition| partition.id()).collect();
        ids.sort_unstable();
        ids.into_iter()
            .map(|id| {
                Ok(client
                    .fetch_watermarks(topic, id, DEADLINE)
                    .map_err(describe)?
                    .1)
            })
            .collect()
    }

    /// Sends records and waits until the broker has all of them.
    pub fn send<'a>(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> Result<(), String> {
        let sender = self.sender()?;
        for record in records {
            sender.send(topic, record)?;
        }
        sender.flush()
    }

    /// A producer that outlives restarts of the broker.
    pub fn sender(&self) -> Result<Sender, String> {
        self.client()
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("message.max.bytes", "2000000")
            .create()
            .map(Sender)
            .map_err(|error| format!("producer: {error}"))
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.bootstrap())
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500");
        config
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>, String> {
        let client = self.client().create();
        client.map_err(|error| format!("admin client: {error}"))
    }

    fn reader(&self) -> Result<BaseConsumer, String> {
        let client = self.client().create();
        client.map_err(|error| format!("reading client: {error}"))
    }
}

/// A producer.
pub struct Sender(ThreadedProducer<DefaultProducerContext>);

impl Sender {
    /// Hands a record over; [`Self::flush`] waits until the broker has it.
    pub fn send(&self, topic: &str, record: &Record) -> Result<(), String> {
        loop {
            let mut out = BaseRecord::<[u8], [u8]>::to(topic).headers(event::headers(record));
            out.key = record.key.as_deref();
            out.payload = record.value.as_deref();
            out.partition = record.partition;
            match self.0.send(out) {
                Ok(()) => return Ok(()),
                Err((error, _))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) =>
                {
                    self.flush()?;
                }
                Err((error, _)) => return Err(format!("sending to {topic}: {error}")),
            }
        }
    }

    /// Waits until the broker has all records.
    pub fn flush(&self) -> Result<(), String> {
        self.0
            .flush(DEADLINE)
            .map_err(|error| format!("sending: {error}"))
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(DEADLINE))
}

fn one(
    name: &str,
    outcome: rdkafka::error::KafkaResult<Vec<rdkafka::admin::TopicResult>>,
) -> Result<(), String> {
    for topic in outcome.map_err(|error| format!("topic {name}: {error}"))? {
        topic.map_err(|(topic, code)| format!("topic {topic}: {code}"))?;
    }
    Ok(())
}
