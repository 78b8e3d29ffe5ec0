//! How far the partitions of this process are behind, looked at now and then.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use tracing::debug;

use crate::health::Health;
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
                continue;
            }
        };
        let records = (end - partition.next_offset.unwrap_or(first).max(first)).max(0);
        health.behind(&id, records);
    }
}
