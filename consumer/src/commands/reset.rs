//! `reset`: go on elsewhere in a partition.

use serde::Serialize;

use super::{Failed, json};
use crate::cli::Reset;
use crate::config::Config;
use crate::database::Database;
use crate::messages::PartitionId;

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
    if !database.reset(&of, reset.offset).await? {
        return Err(Failed::Absent(format!(
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
