//! `status`: where the group is.

use std::collections::BTreeMap;
use std::time::Duration;

use comfy_table::Table;
use jiff::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::types::RDKafkaRespErr;
use serde::Serialize;

use super::{Failed, json, printable, table};
use crate::config::Config;
use crate::database::{Backlog, Database, Position};
use crate::messages::PartitionId;
use crate::topics::{Quiet, inquirer};

/// For a broker to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct Status {
    group: String,
    partitions: Vec<Row>,
    backlog: Backlog,
    /// Topics that are to be read and do not exist.
    missing_topics: Vec<String>,
    /// Why the ends of the logs are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka_error: Option<String>,
}

#[derive(Serialize)]
struct Row {
    topic: String,
    partition: i32,
    /// None is the log's beginning.
    next_offset: Option<i64>,
    /// The offset behind the log's last committed record.
    end_offset: Option<i64>,
    lag: Option<i64>,
    owner: Option<String>,
    claimed_at: Option<Timestamp>,
    state: &'static str,
    stopped_for: Option<String>,
    stopped_at: Option<Timestamp>,
}

/// Prints it.
pub async fn status(config: &Config, database: &Database, as_json: bool) -> Result<(), Failed> {
    let positions = database.positions().await?;
    let backlog = database.backlog().await?;
    // Blocks, and there is nothing else to do meanwhile.
    let (mut ends, mut missing_topics) = (BTreeMap::new(), Vec::new());
    let kafka_error = inquirer(config)
        .and_then(|client| {
            Ok(find_ends(
                &client,
                &config.topics,
                &mut ends,
                &mut missing_topics,
            )?)
        })
        .err();
    let status = Status {
        group: config.group.clone(),
        partitions: rows(positions, ends),
        backlog,
        missing_topics,
        kafka_error: kafka_error.map(|error| error.to_string()),
    };
    match as_json {
        true => println!("{}", json(&status)),
        false => print(&status),
    }
    Ok(())
}

/// First and end of every partition of these topics, as far as brokers answer, and the topics that are missing; the first
/// error behind that.
fn find_ends(
    client: &BaseConsumer<Quiet>,
    topics: &[String],
    ends: &mut BTreeMap<(String, i32), (i64, i64)>,
    missing: &mut Vec<String>,
) -> KafkaResult<()> {
    const UNKNOWN: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    let mut failed = Ok(());
    for topic in topics {
        let found = client.fetch_metadata(Some(topic), TIMEOUT)?;
        let of_topic = found.topics().iter().find(|found| found.name() == topic);
        if of_topic.is_some_and(|found| found.error() == Some(UNKNOWN)) {
            missing.push(topic.clone());
        }
        for partition in of_topic.into_iter().flat_map(|topic| topic.partitions()) {
            match client.fetch_watermarks(topic, partition.id(), TIMEOUT) {
                Ok(range) => {
                    ends.insert((topic.clone(), partition.id()), range);
                }
                Err(error) => failed = failed.and(Err(error)),
            }
        }
    }
    failed
}

/// The positions, and the partitions that nobody has claimed yet.
fn rows(positions: Vec<Position>, mut ends: BTreeMap<(String, i32), (i64, i64)>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for position in positions {
        let PartitionId { topic, partition } = position.of;
        let range = ends.remove(&(topic.clone(), partition));
        let lag = range
            .map(|(first, end)| (end - position.next_offset.unwrap_or(first).max(first)).max(0));
        rows.push(Row {
            topic,
            partition,
            next_offset: position.next_offset,
            end_offset: range.map(|(_, end)| end),
            lag,
            state: match &position.stopped_for {
                Some(_) => "stopped",
                None => "claimed",
            },
            owner: position.owner,
            claimed_at: position.claimed_at,
            stopped_for: position.stopped_for,
            stopped_at: position.stopped_at,
        });
    }
    let unclaimed = ends
        .into_iter()
        .map(|((topic, partition), (first, end))| Row {
            topic,
            partition,
            next_offset: None,
            end_offset: Some(end),
            lag: Some(end - first),
            owner: None,
            claimed_at: None,
            state: "unclaimed",
            stopped_for: None,
            stopped_at: None,
        });
    rows.extend(unclaimed);
    rows.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    rows
}

fn print(status: &Status) {
    let mut partitions: Table = table([
        "TOPIC",
        "PARTITION",
        "STATE",
        "POSITION",
        "END",
        "LAG",
        "OWNER",
        "SINCE",
    ]);
    let text = |of: Option<i64>| of.map_or("?".to_owned(), |number| number.to_string());
    for row in &status.partitions {
        partitions.add_row([
            row.topic.clone(),
            row.partition.to_string(),
            row.state.to_owned(),
            row.next_offset
                .map_or("beginning".to_owned(), |next| next.to_string()),
            text(row.end_offset),
            text(row.lag),
            row.owner.clone().unwrap_or_default(),
            row.stopped_at
                .or(row.claimed_at)
                .map_or(String::new(), |at| format!("{at:.0}")),
        ]);
    }
    println!("group {}", status.group);
    println!("{partitions}");
    for row in &status.partitions {
        if let Some(why) = &row.stopped_for {
            println!(
                "\n{}[{}] is stopped: {why}\n  next: deed-consumer reset --group {} --topic {} --partition {} \
                 (from its beginning; with --offset N from there)",
                row.topic,
                row.partition,
                status.group,
                row.topic,
                row.partition,
                why = printable(why),
            );
        }
    }
    for topic in &status.missing_topics {
        println!("\n{topic} does not exist: it is read from the moment that it does");
    }
    let waiting = &status.backlog;
    println!(
        "\n{} events wait to go out{}, {} dead letters, {} marks; {} records in quarantine",
        waiting.outbox_events,
        waiting
            .outbox_since
            .map_or(String::new(), |at| format!(" since {at:.0}")),
        waiting.dead_letters,
        waiting.marks,
        waiting.quarantined
    );
    if let Some(error) = &status.kafka_error {
        eprintln!("not all ends of the logs are known: {error}");
    }
}
