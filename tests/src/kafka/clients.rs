//! What the tests do with a broker as its clients: topics, ends, records.

use std::time::{Duration, Instant};

use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::OwnedMessage;
use rdkafka::producer::{
    BaseProducer, BaseRecord, DefaultProducerContext, DeliveryResult, Producer, ProducerContext,
    ThreadedProducer,
};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::{DEADLINE, Kafka};
use crate::event::{self, Record};

/// A producer whose records come to be seen, or not, together.
pub type Transactional = BaseProducer<Outspoken>;

/// Says why a record is not in the log: flushing succeeds all the same.
pub struct Outspoken;

impl ClientContext for Outspoken {}

impl ProducerContext for Outspoken {
    type DeliveryOpaque = ();

    fn delivery(&self, delivered: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = delivered {
            eprintln!("a record is not delivered: {error}");
        }
    }
}

impl Kafka {
    /// Creates a topic.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), String> {
        self.create_topic_with(name, partitions, &[])
    }

    /// Creates a topic with settings of its own.
    pub fn create_topic_with(
        &self,
        name: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) -> Result<(), String> {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let topic = settings
            .iter()
            .fold(topic, |topic, (key, value)| topic.set(key, value));
        let outcome = block_on(self.admin()?.create_topics(&[topic], &options()));
        one(name, outcome)
    }

    /// Has a topic so many partitions from now on: more than before.
    pub fn add_partitions(&self, name: &str, partitions: usize) -> Result<(), String> {
        let more = NewPartitions::new(name, partitions);
        let outcome = block_on(self.admin()?.create_partitions(&[more], &options()));
        one(name, outcome)
    }

    /// Cuts off what a partition has below this offset.
    pub fn cut(&self, name: &str, partition: i32, below: i64) -> Result<(), String> {
        let describe = |error| format!("cutting {name}: {error}");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(name, partition, Offset::Offset(below))
            .map_err(describe)?;
        let outcome = block_on(self.admin()?.delete_records(&list, &options()));
        outcome.map(drop).map_err(describe)
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
        self.sender_after("5")
    }

    /// One that sends each record at once.
    pub fn prompt_sender(&self) -> Result<Sender, String> {
        self.sender_after("0")
    }

    fn sender_after(&self, linger: &str) -> Result<Sender, String> {
        self.client()
            .set("enable.idempotence", "true")
            .set("linger.ms", linger)
            .set("message.max.bytes", "2000000")
            .create()
            .map(Sender)
            .map_err(|error| format!("producer: {error}"))
    }

    /// All committed records of a topic, partition by partition.
    pub fn read(&self, topic: &str) -> Result<Vec<OwnedMessage>, String> {
        let describe = |error| format!("reading {topic}: {error}");
        let client: BaseConsumer = self
            .client()
            .set("group.id", "tests")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .create()
            .map_err(describe)?;
        let ends = self.ends(topic)?;
        let mut all = TopicPartitionList::new();
        for partition in 0..ends.len() as i32 {
            all.add_partition_offset(topic, partition, Offset::Beginning)
                .map_err(describe)?;
        }
        client.assign(&all).map_err(describe)?;
        let mut records = Vec::new();
        // A position moves over what is not to be read: markers, and records of aborted transactions.
        let is_read = |client: &BaseConsumer| {
            let positions = client.position().unwrap_or_default();
            (0..).zip(&ends).all(|(partition, end)| {
                let position = positions.find_partition(topic, partition);
                match position.map(|of| of.offset()) {
                    Some(Offset::Offset(position)) => position >= *end,
                    _ => *end == 0,
                }
            })
        };
        let deadline = Instant::now() + DEADLINE;
        while !is_read(&client) {
            if Instant::now() > deadline {
                return Err(format!("{topic} is not read to its ends {ends:?}"));
            }
            match client.poll(Duration::from_millis(100)) {
                Some(Ok(record)) => records.push(record.detach()),
                Some(Err(error)) => return Err(describe(error)),
                None => {}
            }
        }
        Ok(records)
    }

    /// A producer with this transactional id, which has fenced all others of that name.
    pub fn transactional(&self, id: &str) -> Result<Transactional, String> {
        let producer: Transactional = self
            .client()
            .set("transactional.id", id)
            .create_with_context(Outspoken)
            .map_err(|error| format!("producer: {error}"))?;
        let begun = producer
            .init_transactions(DEADLINE)
            .and_then(|()| producer.begin_transaction());
        begun.map_err(|error| format!("producer {id}: {error}"))?;
        Ok(producer)
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
