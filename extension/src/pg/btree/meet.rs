//! Many keys looked up in one walk from left to right.
//!
//! Whichever of an index and what is asked for is shorter sets the cost: the walk goes from page to page
//! while the keys lie side by side, comes anew from the root where they don't, and passes over keys
//! that come before the next entry.

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::key::Key;
use super::nbtree::*;
use super::page::Page;
use super::reader::{Entry, MOST_PAGES, Reader};
use super::tuple::Corrupt;
use crate::failure::Failure;

/// A walk. Between two pages it holds nothing.
struct Walk<'r> {
    reader: &'r Reader,
    way: Way,
    /// How many entries the first of those asked for may still have.
    room: usize,
    /// The right sibling of the last page read.
    right: Option<pg_sys::BlockNumber>,
    /// Whether the next key may be expected there.
    is_dense: bool,
}

/// Where the walk goes from a page.
#[derive(Clone, Copy)]
enum Way {
    /// To the right sibling, where more entries of the first key may lie.
    Right(pg_sys::BlockNumber),
    /// To wherever the first key's entries begin.
    Seek,
}

impl Reader {
    /// Adds the entries that begin with the `key` of one that is asked for, in order, seen by the snapshot
    /// or not; `most` for each. The keys ascend and none begins with another.
    pub fn meet<T>(
        &self,
        asked: &[T],
        key: impl Fn(&T) -> Key,
        most: usize,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Failure> {
        self.meet_behind(asked, &key, &key, most, entries)
    }

    /// The same for those entries only that do not come before `from`, which begins with the key.
    pub fn meet_behind<T>(
        &self,
        mut asked: &[T],
        key: &impl Fn(&T) -> Key,
        from: &impl Fn(&T) -> Key,
        most: usize,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Failure> {
        let mut walk = Walk {
            reader: self,
            way: Way::Seek,
            room: most,
            right: None,
            is_dense: false,
        };
        while !asked.is_empty() {
            // SAFETY: the relations are locked. The closure owns nothing that has to be dropped, and
            // doesn't panic: pages are read with bounds checked.
            let walked = unsafe {
                pg_guard_ffi_boundary(|| walk.through(&mut asked, key, from, most, entries))
            };
            pgrx::check_for_interrupts!();
            walked.map_err(|corrupt| self.failure(corrupt))?;
        }
        Ok(())
    }
}

impl Walk<'_> {
    /// Goes on, for so many pages at once.
    ///
    /// # Safety
    /// Within a guard.
    unsafe fn through<T>(
        &mut self,
        asked: &mut &[T],
        key: &impl Fn(&T) -> Key,
        from: &impl Fn(&T) -> Key,
        most: usize,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Corrupt> {
        let reader = self.reader;
        for _ in 0..MOST_PAGES {
            let Some(first) = asked.first() else {
                break;
            };
            // SAFETY: the caller's; a leaf is pinned and locked until `read` gives it back.
            unsafe {
                let leaf = match self.way {
                    Way::Right(block) => linked(reader.index(), block),
                    Way::Seek => match self.seek(&from(first))? {
                        Some(leaf) => leaf,
                        None => {
                            *asked = &[];
                            break;
                        }
                    },
                };
                self.way = reader.read(leaf, entries, |page, entries| {
                    self.read(page, asked, key, from, most, entries)
                })?;
            }
        }
        Ok(())
    }

    /// The leaf on which keys from `key` on begin, pinned and share-locked; none in an empty index.
    ///
    /// # Safety
    /// Within a guard.
    unsafe fn seek(&mut self, key: &Key) -> Result<Option<pg_sys::Buffer>, Corrupt> {
        // SAFETY: the caller's.
        unsafe {
            if let Some(right) = self.right
                && self.is_dense
            {
                let index = self.reader.index();
                let leaf = linked(index, right);
                let fits = page(leaf).and_then(|page| {
                    Ok(!page.is_ignored() && !page.ends_before(self.reader.of.shape(), key)?)
                });
                if fits == Ok(true) {
                    return Ok(Some(leaf));
                }
                _bt_relbuf(index, leaf);
                fits?;
                self.is_dense = false;
            }
            self.reader.descend(key)
        }
    }

    /// Reads what lies on a leaf and passes over those asked for that are done with.
    fn read<T>(
        &mut self,
        page: &Page<'_>,
        asked: &mut &[T],
        key: &impl Fn(&T) -> Key,
        from: &impl Fn(&T) -> Key,
        most: usize,
        entries: &mut Vec<Entry>,
    ) -> Result<Way, Corrupt> {
        let shape = self.reader.of.shape();
        self.right = page.right;
        if let Some(right) = page.right
            && page.is_ignored()
        {
            return Ok(Way::Right(right));
        }
        let mut position = None;
        let before = asked.len();
        while let Some(first) = asked.first() {
            let (wanted, start) = (key(first), from(first));
            if position.is_some() && page.ends_before(shape, &start)? {
                break;
            }
            let mut at = page.position(shape, &start, position)?;
            let next = loop {
                if at > page.last {
                    break None;
                }
                let tuple = page.tuple(at)?;
                let columns = tuple.columns(shape)?;
                if !columns.begins_with(&wanted) {
                    break Some(columns);
                }
                let is_dead = page.is_dead(at)? && self.reader.trusts_marks();
                if !is_dead {
                    let room = &mut self.room;
                    let left = (self.reader).add(&tuple, &columns, &start, room, entries)?;
                    if left.is_some() {
                        break Some(columns);
                    }
                }
                at += 1;
            };
            position = Some(at);
            match (next, page.right) {
                (Some(columns), _) => {
                    // Whatever lies before that entry has none.
                    let is_passed = |other: &T| {
                        let other = key(other);
                        other < columns && !columns.begins_with(&other)
                    };
                    *asked = &asked[1..];
                    *asked = &asked[gallop(asked, is_passed)..];
                }
                (None, Some(right)) if !page.ends(shape, &wanted)? => {
                    return Ok(Way::Right(right));
                }
                (None, _) => *asked = &asked[1..],
            }
            self.room = most;
        }
        // Where keys lie side by side the next page may have the next one too.
        self.is_dense |= before - asked.len() > 1;
        Ok(Way::Seek)
    }
}

/// How many of the first elements are `passed`, at the cost of few where that are few.
pub fn gallop<T>(elements: &[T], passed: impl Fn(&T) -> bool) -> usize {
    let mut low = 0;
    let mut step = 1;
    while elements.get(low + step - 1).is_some_and(&passed) {
        low += step;
        step *= 2;
    }
    let high = elements.len().min(low + step - 1);
    low + elements[low..high].partition_point(passed)
}
