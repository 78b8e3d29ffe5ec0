//! What the product is held against. Nothing here knows the product's code.
//!
//! - [`event`]: CloudEvents as Deed reads them, and a clock that makes them; [`record`]: the Kafka
//!   records that carry them
//! - [`model`]: all that a set of events means, recomputed from scratch for each question
//! - [`histories`]: short histories written by hand; [`random`]: any number of drawn ones;
//!   [`telling`]: in what order, batches and repetition they are told

pub mod event;
pub mod histories;
pub mod model;
pub mod random;
pub mod record;
pub mod telling;
