//! The polling loop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::assignment::Assignment;
use crate::config::Config;
use crate::database::Database;
use crate::error::Error;
use crate::kafka;
use crate::log_limit::LogLimit;
use crate::rebalance::Context;
use crate::topics::Topics;

/// A wait for records, which is also how soon a signal is seen.
const POLL: Duration = Duration::from_millis(100);
/// The same while a partition waits to be resumed, and the least time between two looks at the
/// reports of the partitions.
const SOON: Duration = Duration::from_millis(5);
/// For the statements under way at the end.
const FINISH: Duration = Duration::from_secs(5);

/// Applies the topics' records until `shutdown` turns true, or the Kafka client can't go on.
///
/// Polls on the calling thread, which must not be one of the runtime's: polling must go on, or the
/// process leaves the group, whatever Postgres does. The partitions' tasks run on `runtime`.
pub fn run(
    config: &Config,
    runtime: &Handle,
    database: Database,
    applied: Arc<Notify>,
    shutdown: watch::Receiver<bool>,
) -> Result<(), Error> {
    info!(
        group = config.group,
        topics = config.topics.join(","),
        "ingest starts"
    );
    let topics = Topics::watch(config)?;
    let assignment = Assignment::new(runtime.clone(), database, topics, applied, shutdown.clone());
    let client =
        BaseConsumer::from_config_and_context(&kafka::consumer(config), Context::new(assignment))?;
    let names: Vec<&str> = config.topics.iter().map(String::as_str).collect();
    client.subscribe(&names)?;

    poll(&client, &shutdown)?;
    info!("stopping");
    client.context().assignment().finish(&client, FINISH);
    // Leaves the group, and tells Kafka the last positions.
    drop(client);
    info!("stopped");
    Ok(())
}

fn poll(client: &BaseConsumer<Context>, shutdown: &watch::Receiver<bool>) -> Result<(), Error> {
    let mut limit = LogLimit::default();
    let mut settled = Instant::now();
    let mut wait = POLL;
    while !*shutdown.borrow() {
        match client.poll(wait) {
            Some(Ok(message)) => client.context().assignment().deliver(client, &message),
            Some(Err(KafkaError::MessageConsumption(code))) => match code {
                RDKafkaErrorCode::AutoOffsetReset => client.context().assignment().refused(client),
                RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownPartition => {
                    client.context().assignment().look();
                }
                code if limit.passes() => warn!(%code, "Kafka; polling goes on"),
                _ => {}
            },
            Some(Err(error)) => return Err(error.into()),
            None => {}
        }
        if settled.elapsed() >= SOON {
            let mut assignment = client.context().assignment();
            assignment.settle(client);
            wait = if assignment.any_paused() { SOON } else { POLL };
            settled = Instant::now();
        }
    }
    Ok(())
}
