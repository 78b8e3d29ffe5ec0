//! Sessions that apply at the same time: what derives from several of them is right, and none of
//! them waits for another that waits for it.

mod isolation;
mod pairs;
mod positions;
mod quarantine;
mod races;
