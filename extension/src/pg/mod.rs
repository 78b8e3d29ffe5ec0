//! The room with `unsafe`: memory, locks, snapshots and errors of Postgres.
//!
//! Everything else speaks with it in owned values of its own: uuids, levels, instants and
//! [`Failure`](crate::failure::Failure)s.

#![allow(unsafe_code)]

pub mod btree;
pub mod catalog;
pub mod entry;
pub mod enums;
pub mod ids;
pub mod indexes;
mod inspection;
pub mod raise;
pub mod session;
pub mod spi;
