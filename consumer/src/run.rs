//! The polling loop.

use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::info;

use crate::assignment::Assignment;
use crate::config::Config;
use crate::error::Error;
use crate::health::Health;
use crate::kafka;
use crate::partition::Shared;
use crate::rebalance::Context;

/// A wait for records, which is also how soon a signal is seen.
const POLL: Duration = Duration::from_millis(100);
/// The same while a partition waits to be resumed, and the least time between two looks at the
/// reports of the partitions.
const SOON: Duration = Duration::from_millis(5);

/// Applies the topics' records until `shutdown` turns true, or the Kafka client can't go on.
///
/// Polls on the calling thread, which must not be one of the runtime's: polling must go on, or the
/// process leaves the group, whatever Postgres does. The partitions' tasks run on `runtime`.
pub fn run(config: &Config, runtime: &Handle, shared: Shared) -> Result<(), Error> {
    info!(
        group = config.group,
        topics = config.topics.join(","),
        "ingest starts"
    );
    let (shutdown, health) = (shared.shutdown.clone(), shared.health.clone());
    health.heard("group", Err("not reached yet".to_owned()));
    let assignment = Assignment::new(runtime.clone(), shared);
    let client = BaseConsumer::from_config_and_context(
        &kafka::consumer(config),
        Context::new(assignment, health.clone()),
    )?;
    let names: Vec<&str> = config.topics.iter().map(String::as_str).collect();
    client.subscribe(&names)?;

    poll(&client, &shutdown, &health)?;
    info!("stopping");
    // Half of the time, for the group is left behind it.
    let at_most = config.shutdown_timeout / 2;
    client.context().assignment().finish(&client, at_most);
    // Leaves the group, and tells Kafka the last positions.
    drop(client);
    info!("stopped");
    Ok(())
}

fn poll(
    client: &BaseConsumer<Context>,
    shutdown: &watch::Receiver<bool>,
    health: &Health,
) -> Result<(), Error> {
    let mut settled = Instant::now();
    let mut wait = POLL;
    while !*shutdown.borrow() {
        match client.poll(wait) {
            Some(Ok(message)) => client.context().assignment().deliver(client, &message),
            Some(Err(KafkaError::MessageConsumption(code))) => match code {
                RDKafkaErrorCode::AutoOffsetReset => {
                    client.context().assignment().refused(client);
                }
                RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownPartition => {
                    client.context().assignment().look();
                }
                code => client.context().complaints.tell(code, "polling goes on"),
            },
            Some(Err(error)) => return Err(error.into()),
            None => {}
        }
        if settled.elapsed() >= SOON {
            health.step("polling");
            let mut assignment = client.context().assignment();
            assignment.settle(client);
            wait = if assignment.any_paused() { SOON } else { POLL };
            settled = Instant::now();
        }
    }
    Ok(())
}
