//! Runs the real Postgres, Kafka, PostgREST and consumer as child processes, and drives them.
//!
//! - [`place`]: where things lie, as `dev/env.sh` says
//! - [`process`]: one child process, from start to a certain end; [`spawn`]: how it is started
//! - [`postgres`], [`kafka`], [`postgrest`], [`consumer`]: the four parts of the line
//! - [`event`]: CloudEvents as Kafka records; [`load`]: many of them, drawn from a seed
//! - [`proxy`]: the example, and clients of it
//! - [`owner`]: what applies events, made by hand
//! - [`outbound`]: what was told, folded
//! - [`arrivals`]: what of it has arrived in Kafka
//! - [`snapshot`]: all that the events left in the tables, to be compared
//! - [`answers`]: all that is answered, and what the model answers; [`reference`]: how it is told;
//!   [`registers`]: the tables in the model's words
//! - [`differential`]: one answer, however it is asked for, over random states
//! - [`derived`]: the derived tables, computed anew
//! - [`audit`]: each move of a consumer's position, for what idempotence hides
//! - [`cases`]: sharing cases, what happened and what must follow
//! - [`catalog`]: what the extension is made of
//! - [`page`]: a page of the docs, run
//! - [`secret_file`]: files with passwords; [`certificates`]: a certificate authority
//! - [`stage`]: one Kafka and one Postgres for all tests of a binary, a database a test
//! - [`demo`]: what `make demo` runs; [`bench`]: what `make bench` runs;
//!   [`chaos`]: what `make chaos` runs

pub mod answers;
pub mod arrivals;
pub mod audit;
pub mod bench;
pub mod cases;
pub mod catalog;
pub mod certificates;
pub mod chaos;
pub mod consumer;
pub mod demo;
pub mod derived;
pub mod differential;
pub mod event;
pub mod kafka;
pub mod load;
pub mod outbound;
pub mod owner;
pub mod page;
pub mod place;
pub mod postgres;
pub mod postgrest;
pub mod process;
pub mod proxy;
pub mod reference;
pub mod registers;
pub mod secret_file;
pub mod snapshot;
pub mod spawn;
pub mod stage;
