//! What waits in the database, looked at now and then: for metrics, and to know whether Postgres answers.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::database::{Database, PATIENCE};
use crate::health::Health;
use crate::metrics;
use crate::verdict::advice;

/// Between two looks: some index scans.
const EVERY: Duration = Duration::from_secs(5);

/// Looks until the process ends.
pub async fn watch(database: Database, health: Arc<Health>) {
    loop {
        let answer = match tokio::time::timeout(PATIENCE, database.backlog()).await {
            Err(_) => {
                // What does not answer may be this one session.
                database.reconnect();
                Err(format!("no answer within {PATIENCE:?}"))
            }
            Ok(Err(error)) => Err(format!("{error}; {}", advice(error.code()))),
            Ok(Ok(backlog)) => {
                let waited = |since| Timestamp::now().duration_since(since);
                let age = backlog.outbox_since.map(waited);
                // The clocks may differ.
                let age = age.and_then(|age| Duration::try_from(age).ok());
                metrics::backlog(&backlog, age.unwrap_or_default());
                Ok(())
            }
        };
        health.heard("postgres", answer);
        tokio::time::sleep(EVERY).await;
    }
}
