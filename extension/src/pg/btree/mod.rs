//! Reading btree indexes directly.
//!
//! A look into an index through its access method allocates, opens and compares for longer than it
//! reads. Here the pages are read as they lie: [`page`] knows their format, [`key`] their order, this
//! file how to come to them among concurrent splits, deletions and vacuum (Lehman and Yao, as
//! nbtree's README tells it). contrib/amcheck reads them the same way.
//!
//! What a scan owes to others it does as nodeIndexonlyscan.c and nbtsearch.c do: rows by the
//! visibility map while the page is pinned, else by the table; predicate locks under SERIALIZABLE;
//! marks of dead entries not trusted in a transaction that began on a standby. Nothing is written,
//! and no pin, lock or position outlives a [`fetch`](Reader::fetch).

pub mod key;
mod nbtree;
mod page;
pub mod range;
mod reader;
mod tuple;

use std::cell::OnceCell;

use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use uuid::Uuid;

use self::key::Key;
use self::range::Range;
pub use self::reader::{Entry, Reader};
pub use self::tuple::Carried;
use super::catalog::{self, Index};
use crate::failure::Failure;

/// The indexes that one question reads, each opened when it is first needed.
#[derive(Default)]
pub struct Indexes {
    opened: [OnceCell<Reader>; Index::COUNT],
}

/// Asks a question and closes what it opened.
///
/// A failure must become an error, as it does in `entry`: Postgres then closes the indexes.
pub fn ask<T>(question: impl FnOnce(&Indexes) -> Result<T, Failure>) -> Result<T, Failure> {
    let indexes = Indexes::default();
    let answer = question(&indexes)?;
    // SAFETY: what `collect` and `table` opened and pinned; no frame here has anything to drop.
    unsafe {
        pg_guard_ffi_boundary(|| {
            let opened = indexes.opened.iter().filter_map(OnceCell::get);
            opened.for_each(|reader| reader.close());
        })
    };
    Ok(answer)
}

impl Indexes {
    /// An index, locked.
    pub fn get(&self, index: Index) -> Result<&Reader, Failure> {
        let place = &self.opened[index as usize];
        match place.get() {
            Some(reader) => Ok(reader),
            None => {
                let target = catalog::lock(index)?;
                Ok(place.get_or_init(|| Reader::new(index, target)))
            }
        }
    }

    /// The entries that begin with a key and go on with an id.
    pub fn range(&self, index: Index, prefix: Key) -> Result<Range<'_>, Failure> {
        Ok(Range::new(self.get(index)?, prefix))
    }

    /// The entry with this id whose row the snapshot sees, in an index of ids.
    pub fn row(&self, index: Index, id: Uuid) -> Result<Option<Entry>, Failure> {
        self.range(index, Key::EMPTY)?.seen(id, |_| true)
    }
}
