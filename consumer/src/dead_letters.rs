//! The topics that dead letters go to: one that is not there is made, as Kafka Connect does.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use tokio::runtime::Handle;
use tracing::{error, info};

use crate::config::Config;
use crate::kafka;
use crate::outlet::Outlet;

/// For a broker to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Before a topic that could not be made is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// What is known of them.
#[derive(Default)]
pub struct Destinations {
    there: HashSet<String>,
    refused: Option<Instant>,
}

impl Destinations {
    /// Whether dead letters can go to this topic. Until it is there they wait, and events do not: a transaction that has
    /// one for a missing topic fails.
    pub fn is_there(
        &mut self,
        config: &Config,
        runtime: &Handle,
        outlet: &Outlet,
        topic: &str,
    ) -> bool {
        if self.there.contains(topic) {
            return true;
        }
        if self.refused.is_some_and(|last| last.elapsed() < AGAIN) {
            return false;
        }
        let found = exists(outlet, topic).and_then(|exists| match exists {
            true => Ok(()),
            false => make(config, runtime, topic),
        });
        match found {
            Ok(()) => {
                self.there.insert(topic.to_owned());
                self.refused = None;
                true
            }
            Err(why) => {
                error!(
                    topic,
                    "dead letters wait, for their topic is not there and can't be made: {why}; make it, or set \
                     errors.deadletterqueue.topic.replication.factor to what the brokers allow"
                );
                self.refused = Some(Instant::now());
                false
            }
        }
    }
}

fn exists(outlet: &Outlet, topic: &str) -> KafkaResult<bool> {
    let found = outlet.client().fetch_metadata(Some(topic), TIMEOUT)?;
    let of_topic = found.topics().iter().find(|found| found.name() == topic);
    Ok(of_topic.is_some_and(|found| found.error().is_none()))
}

fn make(config: &Config, runtime: &Handle, topic: &str) -> KafkaResult<()> {
    let admin: AdminClient<DefaultClientContext> =
        AdminClient::from_config(&kafka::inquirer(config))?;
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(config.errors.replication));
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
    let made = runtime.block_on(admin.create_topics([&new], &options))?;
    match made.into_iter().next() {
        // Another process was faster.
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
        Some(Err((_, code))) => Err(KafkaError::AdminOp(code)),
        _ => {
            info!(topic, "the topic for dead letters is made");
            Ok(())
        }
    }
}
