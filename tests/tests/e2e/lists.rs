//! Lists by pages.
//!
//! - [`walk`]: a walker and a writer at the same time; [`cursors`]: what a cursor is bound to, and
//!   the bounds of a page; [`dead`]: rows that nobody sees any more

mod cursors;
mod dead;
mod walk;
