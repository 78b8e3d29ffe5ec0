//! The names of all metrics; docs/METRICS.md lists them.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::database::{Backlog, Count};
use crate::error::Error;
use crate::health::State;
use crate::messages::PartitionId;

/// Seconds, from a batch on a fast disk to one that waits for a lock.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];
/// Records in a batch.
const RECORDS: [f64; 7] = [1.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1000.0];

/// Begins to count; what is given renders all of it.
pub fn install() -> Result<PrometheusHandle, Error> {
    let fault = |error: metrics_exporter_prometheus::BuildError| {
        Error::Start(std::io::Error::other(error.to_string()))
    };
    let suffix = |suffix: &str| Matcher::Suffix(suffix.to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(suffix("_seconds"), &SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(suffix("_records"), &RECORDS))
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(fault)?;
    describe();
    gauge!("deed_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    ready(false);
    relay_active(false);
    for name in ["deed_rebalances_total", "deed_relayed_events_total"] {
        counter!(name).absolute(0);
    }
    metrics_process::Collector::default().describe();
    Ok(handle)
}

/// All metrics, as Prometheus reads them.
pub fn render(handle: &PrometheusHandle) -> String {
    metrics_process::Collector::default().collect();
    handle.run_upkeep();
    handle.render()
}

fn describe() {
    describe_gauge!("deed_build_info", "1, for the version of this process");
    describe_gauge!("deed_ready", "Whether /readyz passes");
    describe_gauge!(
        "deed_topic_missing",
        "Whether a topic that is to be read does not exist"
    );
    describe_gauge!(
        "deed_partition_state",
        "1 for the state that the partition is in here, else 0"
    );
    describe_gauge!("deed_partition_next_offset", "The next offset to apply");
    describe_gauge!(
        "deed_partition_lag_records",
        "Offsets that are not applied yet"
    );
    describe_gauge!(
        "deed_partition_lag_seconds",
        "How long the first record that is not applied has waited"
    );
    describe_histogram!("deed_batch_records", "Records in a batch");
    describe_histogram!(
        "deed_batch_seconds",
        "From handing a batch to Postgres to its commit, repeats included"
    );
    describe_counter!("deed_events_total", "Events by what became of them");
    describe_counter!(
        "deed_call_failures_total",
        "Calls to Postgres that failed, by its SQLSTATE"
    );
    describe_counter!(
        "deed_kafka_errors_total",
        "Errors that Kafka's client reports, by its code"
    );
    describe_counter!(
        "deed_rebalances_total",
        "How often the group gave or took partitions"
    );
    describe_gauge!("deed_quarantine_records", "Records in deed.quarantine");
    describe_gauge!("deed_dead_letters", "Dead letters that wait to go out");
    describe_gauge!("deed_outbox_events", "Events that wait to go out");
    describe_gauge!(
        "deed_outbox_age_seconds",
        "How long the first of them has waited"
    );
    describe_gauge!("deed_marks", "Marks that wait to be looked at");
    describe_gauge!(
        "deed_relay_active",
        "Whether this process is the relay at work"
    );
    describe_counter!(
        "deed_relayed_events_total",
        "Events that went out from here"
    );
    describe_histogram!(
        "deed_relay_transaction_seconds",
        "Kafka's transaction of a page of events"
    );
}

/// Whether `/readyz` passes.
pub fn ready(is_ready: bool) {
    gauge!("deed_ready").set(number(is_ready));
}

/// Whether a topic that is to be read does not exist.
pub fn topic_missing(topic: &str, is_missing: bool) {
    gauge!("deed_topic_missing", "topic" => topic.to_owned()).set(number(is_missing));
}

/// The state of a partition; none when it is not this process' any more.
pub fn partition_state(of: &PartitionId, state: Option<&State>) {
    for word in State::WORDS {
        let is_in = state.is_some_and(|state| state.word() == word);
        let [topic, partition] = labels(of);
        gauge!("deed_partition_state", "topic" => topic, "partition" => partition, "state" => word)
            .set(number(is_in));
    }
    if state.is_none() {
        lag(of, 0, 0.0);
    }
}

/// The next offset to apply.
pub fn next_offset(of: &PartitionId, offset: i64) {
    let [topic, partition] = labels(of);
    gauge!("deed_partition_next_offset", "topic" => topic, "partition" => partition)
        .set(offset as f64);
}

/// How far a partition is behind.
pub fn lag(of: &PartitionId, records: i64, seconds: f64) {
    let [topic, partition] = labels(of);
    gauge!("deed_partition_lag_records", "topic" => topic.clone(), "partition" => partition.clone())
        .set(records as f64);
    gauge!("deed_partition_lag_seconds", "topic" => topic, "partition" => partition).set(seconds);
}

/// A batch was applied.
pub fn batch(records: usize, took: Duration, counts: &[Count]) {
    // One that only passes over markers is none.
    if records > 0 {
        histogram!("deed_batch_records").record(records as f64);
        histogram!("deed_batch_seconds").record(took);
    }
    for Count {
        kind,
        outcome,
        events,
    } in counts
    {
        let kind = kind.clone().unwrap_or_default();
        counter!("deed_events_total", "type" => kind, "outcome" => outcome.clone())
            .increment(events.unsigned_abs());
    }
}

/// A call to Postgres failed.
pub fn call_failed(call: &'static str, sqlstate: Option<&str>) {
    let sqlstate = sqlstate.unwrap_or_default().to_owned();
    counter!("deed_call_failures_total", "call" => call, "sqlstate" => sqlstate).increment(1);
}

/// Kafka's client reported an error.
pub fn kafka_error(code: impl std::fmt::Debug) {
    counter!("deed_kafka_errors_total", "code" => format!("{code:?}")).increment(1);
}

/// The group gave or took partitions.
pub fn rebalance() {
    counter!("deed_rebalances_total").increment(1);
}

/// What waits in the database.
pub fn backlog(backlog: &Backlog, age: Duration) {
    gauge!("deed_quarantine_records").set(backlog.quarantined as f64);
    gauge!("deed_dead_letters").set(backlog.dead_letters as f64);
    gauge!("deed_outbox_events").set(backlog.outbox_events as f64);
    gauge!("deed_outbox_age_seconds").set(age.as_secs_f64());
    gauge!("deed_marks").set(backlog.marks as f64);
}

/// Whether this process is the relay at work.
pub fn relay_active(is_active: bool) {
    gauge!("deed_relay_active").set(number(is_active));
}

/// Kafka committed a page of events.
pub fn relayed(events: usize, took: Duration) {
    counter!("deed_relayed_events_total").increment(events as u64);
    histogram!("deed_relay_transaction_seconds").record(took);
}

fn labels(of: &PartitionId) -> [String; 2] {
    [of.topic.clone(), of.partition.to_string()]
}

fn number(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}
