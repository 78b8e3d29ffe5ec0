//! How the Kafka clients are set up.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::BaseProducer;
use uuid::Uuid;

use crate::config::Config;
use crate::error::Error;

pub mod complaints;

/// Why a key of `[kafka]` may not be set, or none when it may.
pub fn refusal(key: &str) -> Option<&'static str> {
    const POSITIONS: &str = "Postgres holds the positions, and exactly once rests on it; what Kafka is told is for lag tools";
    match key {
        "enable.auto.commit" | "enable.auto.offset.store" => Some(POSITIONS),
        "auto.offset.reset" => {
            Some("an offset outside the log must stop the partition, never skip or repeat records")
        }
        "isolation.level" => Some("records of aborted transactions must not be applied"),
        "check.crcs" => Some(
            "what fails its checksum would be passed over; Kafka checks it when it is produced",
        ),
        "partitioner" => {
            Some("events of one document stay in order because all go to one partition")
        }
        "statistics.interval.ms" => Some("readiness follows the group by them"),
        "enable.partition.eof" => Some("the end of a partition is no event for this consumer"),
        "transactional.id"
        | "transaction.timeout.ms"
        | "enable.idempotence"
        | "acks"
        | "request.required.acks" => {
            Some("the relay's events go out in order and without gaps because of it")
        }
        "group.id" => Some("the group also names the positions in Postgres: set the key group"),
        "bootstrap.servers" | "metadata.broker.list" => Some("set the key kafka_bootstrap"),
        _ => None,
    }
}

/// What only members of a group are told.
const OF_MEMBERS: [&str; 3] = [
    "group.instance.id",
    "group.protocol",
    "partition.assignment.strategy",
];

/// The client's own name within the group, where it has one.
pub fn instance(config: &Config) -> Option<&str> {
    config.kafka.get(OF_MEMBERS[0]).map(String::as_str)
}

/// For the member of the group.
pub fn consumer(config: &Config) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        // What is fetched and not yet handed to its partition, which has bounds of its own (`Assignment`). A partition that
        // is paused throws the rest of its fetch away, so a fetch is about what it may have waiting.
        .set("queued.max.messages.kbytes", "8192")
        .set("fetch.message.max.bytes", "262144")
        .set("fetch.max.bytes", "8388608")
        .set("queued.min.messages", "5000")
        // Its default of a second would hold up a full queue long after it has drained.
        .set("fetch.queue.backoff.ms", "20")
        // How the group is: for readiness.
        .set("statistics.interval.ms", "5000")
        // A topic that is made later, or gets more partitions, is read this much later.
        .set("topic.metadata.refresh.interval.ms", "10000");
    // In the newer protocol these are the broker's, and the client refuses the keys.
    if config.kafka.get("group.protocol").map(String::as_str) != Some("consumer") {
        client
            .set("partition.assignment.strategy", "cooperative-sticky")
            // That a dead member's partitions are free the others learn with their next one; its default is 3 s.
            .set("heartbeat.interval.ms", "500");
    }
    common(&mut client, config);
    client
        .set("group.id", &config.group)
        .set("auto.offset.reset", "error")
        .set("enable.auto.offset.store", "false")
        .set("enable.auto.commit", "true");
    client
}

/// For the relay of the outbox with this id: of those that call themselves so the broker knows the latest alone.
pub fn producer(config: &Config, outbox: Uuid) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("linger.ms", "0")
        .set("compression.type", "lz4")
        // A dead letter is as large as the record that it was: the broker and its topics say how large that may be.
        .set("message.max.bytes", "33554432")
        // As Java's producers place keys, so that others can tell where a document's events are.
        .set("partitioner", "murmur2_random");
    common(&mut client, config);
    for key in OF_MEMBERS {
        client.remove(key);
    }
    client
        // Below that it says which keys are only for members of the group, and what comes back by itself.
        .set_log_level(RDKafkaLogLevel::Error)
        .set("transactional.id", format!("deed-relay-{outbox}"))
        // Also how long a relay that is gone without a successor keeps readers of committed records waiting.
        .set("transaction.timeout.ms", "10000");
    client
}

/// For questions about topics, outside the group.
pub fn inquirer(config: &Config) -> ClientConfig {
    let mut client = ClientConfig::new();
    common(&mut client, config);
    // Not the protocol: which times may be set follows from it.
    client
        .remove("group.instance.id")
        .remove("partition.assignment.strategy");
    // The member of the group has the same brokers and tells of them.
    client.set_log_level(RDKafkaLogLevel::Critical);
    client
}

fn common(client: &mut ClientConfig, config: &Config) {
    client
        .set("client.id", "deed-consumer")
        // A broker that comes back is found again within half a second.
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500");
    for (key, value) in &config.kafka {
        client.set(key, value);
    }
    client.set("bootstrap.servers", &config.kafka_bootstrap);
}

/// Has librdkafka look at its keys, alone and together. Without brokers the clients connect to nothing.
pub fn check(config: &Config) -> Result<(), Error> {
    let (mut reading, mut asking) = (consumer(config), inquirer(config));
    let mut writing = producer(config, Uuid::nil());
    for client in [&mut reading, &mut asking, &mut writing] {
        client
            .remove("bootstrap.servers")
            .set_log_level(RDKafkaLogLevel::Critical);
    }
    reading.create::<BaseConsumer>()?;
    asking.create::<BaseConsumer>()?;
    writing.create::<BaseProducer>()?;
    Ok(())
}
