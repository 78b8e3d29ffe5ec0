//! Deed's events, from Kafka to the hub.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Headers;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::Proxy;
use crate::access::{Known, Level};
use crate::hub::Notice;
use crate::settings::Settings;

const TOPIC: &str = "deed.events";
const TIMEOUT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);

/// Reads all partitions: each instance must see the changes of all its connections.
pub struct Reader(BaseConsumer);

#[derive(Deserialize)]
struct AccessChanged {
    principal: Uuid,
    new_level: Level,
}

#[derive(Deserialize)]
struct PermissionUpdated {
    /// A uuid, or `everyone` or `users`.
    recipient: String,
}

impl Reader {
    /// Begins behind what is there now.
    pub fn at_the_end(settings: &Settings) -> KafkaResult<Self> {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &settings.kafka_bootstrap)
            .set("group.id", "deed-proxy")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            // Answered as soon as there is something, and asked again at once.
            .set("fetch.wait.max.ms", "100")
            .set("fetch.queue.backoff.ms", "5")
            .create()?;
        let metadata = client.fetch_metadata(Some(TOPIC), TIMEOUT)?;
        let mut all = TopicPartitionList::new();
        for topic in metadata.topics() {
            for partition in topic.partitions() {
                let (_, end) = client.fetch_watermarks(TOPIC, partition.id(), TIMEOUT)?;
                all.add_partition_offset(TOPIC, partition.id(), Offset::Offset(end))?;
            }
        }
        if all.count() == 0 {
            let missing = RDKafkaErrorCode::UnknownTopic;
            return Err(KafkaError::MessageConsumption(missing));
        }
        client.assign(&all)?;
        Ok(Reader(client))
    }

    /// Reads until it can't go on.
    pub fn read(&self, proxy: &Arc<Proxy>, runtime: &Handle) -> KafkaError {
        loop {
            match self.0.poll(POLL) {
                Some(Ok(record)) => take(&record, proxy, runtime),
                // What was not read yet is gone, or the topic is: there is no going on.
                Some(Err(
                    error @ KafkaError::MessageConsumption(
                        RDKafkaErrorCode::AutoOffsetReset
                        | RDKafkaErrorCode::UnknownTopicOrPartition
                        | RDKafkaErrorCode::UnknownPartition,
                    ),
                )) => return error,
                // The brokers come back, or they don't: it waits for them.
                Some(Err(KafkaError::MessageConsumption(code))) => tracing::warn!(%code, "Kafka"),
                Some(Err(error)) => return error,
                None => {}
            }
        }
    }
}

fn take(record: &impl Message, proxy: &Arc<Proxy>, runtime: &Handle) {
    let header = |name: &str| {
        let mut named = record.headers()?.iter().filter(|header| header.key == name);
        std::str::from_utf8(named.next()?.value?).ok()
    };
    let document = record
        .key()
        .and_then(|key| std::str::from_utf8(key).ok()?.parse().ok());
    let at = header("ce_time").and_then(|time| OffsetDateTime::parse(time, &Rfc3339).ok());
    let (Some(kind), Some(document), Some(at), Some(data)) =
        (header("ce_type"), document, at, record.payload())
    else {
        return;
    };
    match kind {
        "deed.access.changed" => {
            if let Ok(change) = serde_json::from_slice::<AccessChanged>(data) {
                let known = Known {
                    level: change.new_level,
                    at: at.into(),
                };
                let notice = Notice::Level(Arc::new(known));
                proxy.hub.tell(document, change.principal, &notice);
            }
        }
        // Where people are about a document, others come soon.
        "deed.permission.updated" if proxy.hub.has(document) => {
            let updated = serde_json::from_slice::<PermissionUpdated>(data);
            let recipient = updated
                .ok()
                .and_then(|updated| updated.recipient.parse().ok());
            if let Some(recipient) = recipient {
                let proxy = proxy.clone();
                runtime.spawn(async move { proxy.access.warm(recipient, document).await });
            }
        }
        _ => {}
    }
}
