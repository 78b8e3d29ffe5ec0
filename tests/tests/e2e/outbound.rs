//! Events out: what is told is what changed, once and in order.

mod apart;
mod bounds;
mod expiry;
mod histories;
mod races;
mod relay;
