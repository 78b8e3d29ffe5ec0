//! Lists by pages.
//!
//! - [`walk`]: a walker and a writer at the same time; [`cursors`]: what a cursor is bound to, and
//!   the bounds of a page

mod cursors;
mod walk;
