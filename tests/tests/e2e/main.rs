//! End to end: from a Kafka record to the answers, on real servers and the real consumer.
//!
//! One binary, so that all tests share a Kafka and a Postgres (`deed_tests::stage`); run one room
//! with `cargo test -p deed-tests poison::`.

mod asyncapi;
mod cases;
mod chaos;
mod circumstances;
mod concurrent;
mod connecting;
mod convergence;
mod deletion;
mod differential;
mod dump;
mod events_out_page;
mod events_page;
mod explain;
mod freshness;
mod ground;
mod http;
mod install;
mod kill;
mod law;
mod line;
mod listing;
mod lists;
mod meanwhile;
mod metrics_page;
mod model;
mod operation;
mod outbound;
mod package;
mod poison;
mod proxy;
mod recreated;
mod redrive;
mod reindex;
mod restart;
mod row_security;
mod takeover;
mod upgrade;
