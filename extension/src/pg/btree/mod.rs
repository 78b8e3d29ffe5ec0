//! Reading btree indexes directly.
//!
//! A look into an index through its access method allocates, opens and compares for longer than it
//! reads. Here the pages are read as they lie: [`page`] knows their format, [`key`] their order, [`descent`]
//! and [`reader`] how to come to them among concurrent splits, deletions and vacuum (Lehman and Yao, as
//! nbtree's README tells it), [`meet`] how to do so for many keys. contrib/amcheck reads them the same way.
//!
//! What a scan owes to others it does as nodeIndexonlyscan.c and nbtsearch.c do: rows by the
//! visibility map while the page is pinned, else by the table; predicate locks under SERIALIZABLE;
//! marks of dead entries not trusted in a transaction that began on a standby. Nothing is written,
//! and no pin or lock of an index outlives a look; the page of the visibility map last looked at stays
//! pinned until the question is answered.

mod descent;
pub mod key;
mod meet;
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
    // SAFETY: what the readers opened and pinned; no frame here has anything to drop.
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

    /// Those of the ids, which ascend, whose rows the snapshot sees, in an index of ids.
    pub fn rows(&self, index: Index, ids: &[Uuid]) -> Result<Vec<Uuid>, Failure> {
        Ok(self.follow(index, ids)?.map(|(id, _)| id).collect())
    }

    /// The rows that the snapshot sees and whose index entries begin with one of the ids, which ascend.
    pub fn follow(
        &self,
        index: Index,
        ids: &[Uuid],
    ) -> Result<impl Iterator<Item = (Uuid, Entry)>, Failure> {
        let reader = self.get(index)?;
        let mut entries = Vec::new();
        reader.meet(ids, |id| Key::EMPTY.id(*id), usize::MAX, &mut entries)?;
        let seen = entries.into_iter().filter(|entry| reader.sees(entry));
        Ok(seen.map(|entry| (entry.key.id_at(0), entry)))
    }

    /// Those of the ids, which ascend, with which any entry begins, of whatever row.
    pub fn first_of(&self, index: Index, ids: &[Uuid]) -> Result<Vec<Uuid>, Failure> {
        let mut entries = Vec::new();
        let key = |id: &Uuid| Key::EMPTY.id(*id);
        self.get(index)?.meet(ids, key, 1, &mut entries)?;
        Ok(entries.iter().map(|entry| entry.key.id_at(0)).collect())
    }
}
