//! `reset`: go on elsewhere in a partition.

use std::time::Duration;

use rdkafka::consumer::Consumer;
use serde::Serialize;

use super::{Failed, json};
use crate::cli::Reset;
use crate::config::Config;
use crate::database::Database;
use crate::error::Error;
use crate::messages::PartitionId;
use crate::topics::inquirer;

/// For a broker to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct Done<'a> {
    group: &'a str,
    topic: &'a str,
    partition: i32,
    /// None is the log's beginning.
    next_offset: Option<i64>,
}

/// Moves the position; whoever owns the partition claims it again within seconds.
pub async fn reset(config: &Config, database: &Database, reset: &Reset) -> Result<(), Failed> {
    let of = PartitionId {
        topic: reset.topic.clone(),
        partition: reset.partition,
    };
    let group = &config.group;
    if let Some(offset) = reset.offset {
        match range(config, &of) {
            Ok((first, end)) if !(first..=end).contains(&offset) => {
                return Err(Failed::Impossible(format!(
                    "offset {offset} is outside the log of {of}, which has {first} to {end}: nothing is changed"
                )));
            }
            Ok(_) => {}
            Err(error) => eprintln!("not compared with the log of {of}: {error}"),
        }
    }
    if !database.reset(&of, reset.offset).await? {
        return Err(Failed::Impossible(format!(
            "group {group} has no position in {of}; deed-consumer status lists those that it has"
        )));
    }
    let done = Done {
        group,
        topic: &of.topic,
        partition: of.partition,
        next_offset: reset.offset,
    };
    match (reset.json, reset.offset) {
        (true, _) => println!("{}", json(&done)),
        (false, Some(offset)) => println!("group {group} goes on in {of} at offset {offset}"),
        (false, None) => println!("group {group} goes on in {of} at the log's beginning"),
    }
    Ok(())
}

/// The log's first offset, and the one behind its last. Blocks, and there is nothing else to do meanwhile.
fn range(config: &Config, of: &PartitionId) -> Result<(i64, i64), Error> {
    Ok(inquirer(config)?.fetch_watermarks(&of.topic, of.partition, TIMEOUT)?)
}
