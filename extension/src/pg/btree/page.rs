//! One page of a btree index, read from its bytes.
//!
//! The format is that of access/nbtree.h and storage/bufpage.h, the same from Postgres 13 to 18; the
//! rules for reading it are those of `_bt_moveright`, `_bt_binsrch` and `_bt_compare` in nbtsearch.c.
//! Nothing here knows how the bytes came, and a page that contradicts itself is an error, not a
//! crash.

use std::cmp::Ordering;

use super::key::{Key, Shape};
use super::tuple::{Corrupt, Tuple, u16_at, u32_at};

#[cfg(not(target_endian = "little"))]
compile_error!("line pointers are bit fields, whose order on big-endian machines is another");

// bufpage.h
const HEADER: usize = 24;
const LOWER: usize = 12;
const SPECIAL: usize = 16;
const LINE_BYTES: usize = 4;
const LP_DEAD: u32 = 3;
// nbtree.h: offsets in BTPageOpaqueData, and bits of its flags
const NEXT: usize = 4;
const FLAGS: usize = 12;
const LEAF: u16 = 1 << 0;
const DELETED: u16 = 1 << 2;
const HALF_DEAD: u16 = 1 << 4;

/// A page under a share lock, or a copy of one.
#[derive(Clone, Copy)]
pub struct Page<'a> {
    bytes: &'a [u8],
    /// The right sibling; none on the rightmost page.
    pub right: Option<u32>,
    flags: u16,
    /// How far positions go.
    pub last: u16,
}

impl<'a> Page<'a> {
    /// The bytes of a page that nbtree has checked (`_bt_checkpage`).
    pub fn new(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let special = usize::from(u16_at(bytes, SPECIAL)?);
        let right = u32_at(bytes, special + NEXT)?;
        let lower = usize::from(u16_at(bytes, LOWER)?);
        let lines = lower.checked_sub(HEADER).ok_or(Corrupt)? / LINE_BYTES;
        Ok(Self {
            bytes,
            right: (right != 0).then_some(right),
            flags: u16_at(bytes, special + FLAGS)?,
            last: u16::try_from(lines).map_err(|_| Corrupt)?,
        })
    }

    /// Whether its entries point to rows.
    pub fn is_leaf(&self) -> bool {
        self.flags & LEAF != 0
    }

    /// Whether it is on its way out of the tree and holds nothing.
    pub fn is_ignored(&self) -> bool {
        self.flags & (DELETED | HALF_DEAD) != 0
    }

    /// Whether keys from `from` on lie further to the right only.
    pub fn ends_before(&self, shape: &Shape, from: &Key) -> Result<bool, Corrupt> {
        if self.right.is_none() {
            return Ok(false);
        }
        Ok(self.is_ignored() || self.bound()?.compare(shape, from)? == Ordering::Less)
    }

    /// Whether all keys that begin with `prefix` lie on this page or further to the left.
    pub fn ends(&self, shape: &Shape, prefix: &Key) -> Result<bool, Corrupt> {
        if self.right.is_none() {
            return Ok(true);
        }
        if self.is_ignored() {
            return Ok(false);
        }
        let bound = self.bound()?.first_key(shape)?;
        Ok(bound > *prefix && !bound.begins_with(prefix))
    }

    /// On a page with a right sibling, a key behind all that lie here and before all further to the right.
    pub fn end(&self, shape: &Shape) -> Result<Key, Corrupt> {
        let bound = self.bound()?;
        let key = bound.first_key(shape)?;
        // With a place it may be the last one here; truncated it is greater than that.
        Ok(match bound.bound_place()? {
            Some(_) => key.next(),
            None => key,
        })
    }

    /// On an inner page, the child in which keys from `from` on begin.
    pub fn child(&self, shape: &Shape, from: &Key) -> Result<u32, Corrupt> {
        // The first entry stands for minus infinity: it has no columns.
        let behind = self.search(self.first() + 1, self.last + 1, shape, from)?;
        Ok(self.tuple(behind - 1)?.place()?.block)
    }

    /// On a leaf, the position of the first entry at or behind `from`, which does not lie before
    /// `passed`.
    #[inline]
    pub fn position(&self, shape: &Shape, from: &Key, passed: Option<u16>) -> Result<u16, Corrupt> {
        let end = self.last + 1;
        let Some(mut low) = passed else {
            return self.search(self.first(), end, shape, from);
        };
        // Whoever asks upwards goes a short way mostly: in steps that double.
        let mut step = 1;
        while low < end && self.tuple(low)?.compare(shape, from)? == Ordering::Less {
            let next = low + step;
            if next >= end || self.tuple(next)?.compare(shape, from)? != Ordering::Less {
                return self.search(low + 1, next.min(end), shape, from);
            }
            low = next;
            step *= 2;
        }
        Ok(low)
    }

    /// Whether an earlier scan has marked the entry as dead to everybody.
    pub fn is_dead(&self, position: u16) -> Result<bool, Corrupt> {
        Ok((self.line(position)? >> 15) & 3 == LP_DEAD)
    }

    /// The entry at a position.
    #[inline]
    pub fn tuple(&self, position: u16) -> Result<Tuple<'a>, Corrupt> {
        let line = self.line(position)?;
        let (offset, length) = ((line & 0x7FFF) as usize, (line >> 17) as usize);
        let bytes = self.bytes.get(offset..offset + length).ok_or(Corrupt)?;
        Tuple::new(bytes)
    }

    /// The upper bound of all keys here, on a page that has a right sibling.
    fn bound(&self) -> Result<Tuple<'a>, Corrupt> {
        self.tuple(1)
    }

    /// The first position behind the upper bound, if there is one.
    fn first(&self) -> u16 {
        if self.right.is_none() { 1 } else { 2 }
    }

    fn line(&self, position: u16) -> Result<u32, Corrupt> {
        let before = usize::from(position).checked_sub(1).ok_or(Corrupt)?;
        u32_at(self.bytes, HEADER + before * LINE_BYTES)
    }

    /// The first position from `low` to `high` whose entry is not wholly before `from`.
    fn search(
        &self,
        mut low: u16,
        mut high: u16,
        shape: &Shape,
        from: &Key,
    ) -> Result<u16, Corrupt> {
        while low < high {
            let middle = low + (high - low) / 2;
            match self.tuple(middle)?.compare(shape, from)? {
                Ordering::Less => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}
