//! How the consumer reaches Postgres and Kafka, and what it says and does when they make it hard.
//!
//! - [`tls`]: Postgres over TLS, by URL and by libpq's environment; [`failover`]: one of several hosts
//! - [`statements`]: what Postgres refuses for a while
//! - [`brokers`]: Kafka over TLS and with passwords; [`groups`]: every way to be a member of a group
//! - [`memory`]: many partitions of large records that nobody applies

mod brokers;
mod failover;
mod full_disk;
mod groups;
mod memory;
mod statements;
mod tls;

use deed_tests::event::{Clock, Record, id};

/// So many documents of this test, told in order by a clock that begins anew: told twice they are duplicates.
fn documents(name: &str, count: u32) -> Vec<Record> {
    let mut clock = Clock::default();
    let mut one = |n| {
        let document = id(&format!("{name} {n}"));
        clock
            .created(document, id(&format!("{name} anne")), name)
            .binary()
    };
    (0..count).map(&mut one).collect()
}
