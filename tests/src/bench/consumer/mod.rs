//! The consumer beside a broker and a Postgres of its own: how fast, how soon, how much it needs.
//!
//! - [`catch_up`]: a [`story`] that lies in Kafka before it starts, against the [`floor`]; what that takes by [`usage`]
//! - [`visible`]: from produce to visible under a steady load
//! - [`takeover`]: from one that is killed to one that goes on

pub mod catch_up;
mod floor;
mod story;
pub mod takeover;
mod usage;
pub mod visible;

use std::time::Duration;

/// A limit, no goal.
const DEADLINE: Duration = Duration::from_secs(1_800);
/// MiB that the consumer may have in use.
const MEMORY: f64 = 128.0;
