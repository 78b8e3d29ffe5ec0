//! How far the partitions of this process are behind, looked at now and then.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tracing::debug;

use crate::health::{Health, State};
use crate::metrics;
use crate::topics::Quiet;

/// Between two looks: a few milliseconds' work for a broker.
const EVERY: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(5);

/// Looks until the process ends, on a thread of its own.
pub fn watch(client: Arc<BaseConsumer<Quiet>>, health: Arc<Health>) -> std::io::Result<()> {
    let look = move || {
        loop {
            std::thread::sleep(EVERY);
            look(&client, &health);
        }
    };
    std::thread::Builder::new()
        .name("lag".into())
        .spawn(look)
        .map(drop)
}

fn look(client: &BaseConsumer<Quiet>, health: &Health) {
    for (id, partition) in health.partitions() {
        // To those who read committed records alone the log ends where an open transaction begins.
        let range = client.fetch_watermarks(&id.topic, id.partition, TIMEOUT);
        let (first, end) = match range {
            Ok(range) => range,
            Err(error) => {
                debug!(of = %id, %error, "no watermarks");
                return;
            }
        };
        let records = (end - partition.next_offset.unwrap_or(first).max(first)).max(0);
        // What has not been fetched yet has come a moment ago, unless the partition stands still.
        let stands = (partition.state != State::Running).then_some(partition.since);
        let waits = partition.taken.or(stands).filter(|_| records > 0);
        let age = waits.map(|since| Timestamp::now().duration_since(since).as_secs_f64());
        metrics::lag(&id, records, age.unwrap_or_default().max(0.0));
    }
}
