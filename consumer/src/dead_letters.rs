//! The topics that dead letters go to: one that is not there is made, as Kafka Connect does.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::runtime::Handle;
use tracing::{error, info};

use crate::config::Config;
use crate::error::Error;
use crate::kafka;
use crate::topics::inquirer;

/// For a broker to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Before a topic that took none, or could not be made, is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// What is known of them.
#[derive(Default)]
pub struct Destinations {
    there: HashSet<String>,
    /// Those that took none, and since when.
    refused: HashMap<String, Instant>,
}

impl Destinations {
    /// Whether dead letters can go to this topic. Until it is there they wait, and events do not: a transaction that has
    /// one for a missing topic fails.
    pub fn is_there(&mut self, config: &Config, runtime: &Handle, topic: &str) -> bool {
        if self.there.contains(topic) {
            return true;
        }
        let refused = self.refused.get(topic);
        if refused.is_some_and(|last| last.elapsed() < AGAIN) {
            return false;
        }
        let found = exists(config, topic).and_then(|exists| match exists {
            true => Ok(()),
            false => make(config, runtime, topic),
        });
        match found {
            Ok(()) => {
                self.refused.remove(topic);
                self.there.insert(topic.to_owned());
                true
            }
            Err(why) => {
                error!(
                    topic,
                    "dead letters wait, for their topic is not there and can't be made: {why}{}",
                    advice(&why)
                );
                self.refuse(topic);
                false
            }
        }
    }

    /// It takes none: they wait, and it is tried again some time later.
    pub fn refuse(&mut self, topic: &str) {
        self.forget(topic);
        self.refused.insert(topic.to_owned(), Instant::now());
    }

    /// It may be gone.
    pub fn forget(&mut self, topic: &str) {
        self.there.remove(topic);
    }
}

/// By a client that reads: asked by one that writes, a broker may make the topic as it makes any.
fn exists(config: &Config, topic: &str) -> Result<bool, Error> {
    let found = inquirer(config)?.fetch_metadata(Some(topic), TIMEOUT)?;
    let of_topic = found.topics().iter().find(|found| found.name() == topic);
    Ok(of_topic.is_some_and(|found| found.error().is_none()))
}

fn make(config: &Config, runtime: &Handle, topic: &str) -> Result<(), Error> {
    let admin: AdminClient<DefaultClientContext> =
        AdminClient::from_config(&kafka::inquirer(config))?;
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(config.errors.replication));
    let options = AdminOptions::new()
        .operation_timeout(Some(TIMEOUT))
        .request_timeout(Some(TIMEOUT));
    let made = runtime.block_on(admin.create_topics([&new], &options))?;
    match made.into_iter().next() {
        // Another process was faster.
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
        Some(Err((_, code))) => Err(KafkaError::AdminOp(code).into()),
        _ => {
            info!(topic, "the topic for dead letters is made");
            Ok(())
        }
    }
}

fn advice(why: &Error) -> &'static str {
    match why {
        Error::Kafka(KafkaError::AdminOp(RDKafkaErrorCode::InvalidReplicationFactor)) => {
            "; make it, or set errors.deadletterqueue.topic.replication.factor to what the brokers allow"
        }
        Error::Kafka(KafkaError::AdminOp(_)) => "; make it, or let the login CREATE it",
        _ => "",
    }
}
