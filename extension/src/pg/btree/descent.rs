//! From the root down to a leaf among concurrent splits and deletions.

use pgrx::pg_sys;

use super::key::Key;
use super::nbtree::*;
use super::reader::Reader;
use super::tuple::Corrupt;
use crate::pg::session::is_serializable;

impl Reader {
    /// The leaf on which keys from `from` on begin, pinned and share-locked; none in an empty index.
    ///
    /// # Safety
    /// Within a guard.
    pub(super) unsafe fn descend(&self, from: &Key) -> Result<Option<pg_sys::Buffer>, Corrupt> {
        // SAFETY: as in `collect`.
        unsafe {
            count(self.index());
            let mut held = root(self.index());
            if held == NO_BUFFER && is_serializable() {
                // Nothing finer is there to lock; what came in between is found the second time.
                PredicateLockRelation(self.index(), GetActiveSnapshot());
                held = root(self.index());
            }
            if held == NO_BUFFER {
                return Ok(None);
            }
            loop {
                match self.way(held, from) {
                    Ok(None) => return Ok(Some(held)),
                    Ok(Some(block)) => held = _bt_relandgetbuf(self.index(), held, block, SHARED),
                    Err(corrupt) => {
                        _bt_relbuf(self.index(), held);
                        return Err(corrupt);
                    }
                }
            }
        }
    }

    /// Where to go from a page: to the right when it was split or deleted since its parent was read,
    /// or down; none from the leaf.
    ///
    /// # Safety
    /// `held` is pinned and locked.
    unsafe fn way(&self, held: pg_sys::Buffer, from: &Key) -> Result<Option<u32>, Corrupt> {
        // SAFETY: the caller's.
        let page = unsafe { page(held)? };
        if page.ends_before(self.of.shape(), from)? {
            return Ok(page.right);
        }
        if page.is_ignored() {
            return Err(Corrupt);
        }
        match page.is_leaf() {
            true => Ok(None),
            false => page.child(self.of.shape(), from).map(Some),
        }
    }
}
