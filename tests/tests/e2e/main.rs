//! End to end: from a Kafka record to the answers, on real servers and the real consumer.
//!
//! One binary, so that all tests share a Kafka and a Postgres (`deed_tests::stage`); run one room
//! with `cargo test -p deed-tests poison::`.

mod asyncapi;
mod cases;
mod concurrent;
mod convergence;
mod deletion;
mod dump;
mod events_page;
mod explain;
mod ground;
mod http;
mod install;
mod kill;
mod law;
mod line;
mod model;
mod poison;
mod recreated;
mod redrive;
mod reindex;
mod restart;
mod takeover;
mod upgrade;
