//! One entry of a page, read from its bytes.

use std::cmp::Ordering;

use pgrx::pg_sys;
use uuid::Uuid;

use super::key::{Column, Included, Key, Place, Shape};

/// The page contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt;

// itup.h and nbtree.h: bits of t_info, and of the offset in a t_tid that is none
const NULLS: u16 = 0x8000;
const NO_PLACE: u16 = 0x2000;
const SIZE: u16 = 0x1FFF;
const POSTING: u16 = 0x2000;
const PIVOT_PLACE: u16 = 0x1000;
const COUNT: u16 = 0x0FFF;
const TUPLE_HEADER: usize = 8;
/// With a null bitmap of INDEX_MAX_KEYS (32) bits, aligned.
const TUPLE_HEADER_NULLS: usize = 16;
const PLACE_BYTES: usize = 6;

/// One entry: on a leaf a key with one or several rows, on an inner page a bound with a child.
#[derive(Clone, Copy)]
pub struct Tuple<'a> {
    bytes: &'a [u8],
    /// t_info
    info: u16,
    /// The offset number in t_tid
    line: u16,
}

/// The values of the columns that an index only carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    /// The enum's label; `InvalidOid` for null.
    pub label: pg_sys::Oid,
    /// Microseconds since 2000; null, which means never, is `infinity`.
    pub instant: i64,
    /// Null is false.
    pub flag: bool,
}

impl<'a> Tuple<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let (line, info) = (u16_at(bytes, 4)?, u16_at(bytes, 6)?);
        let bytes = bytes.get(..usize::from(info & SIZE)).ok_or(Corrupt)?;
        Ok(Self { bytes, info, line })
    }

    fn is_posting(&self) -> bool {
        self.info & NO_PLACE != 0 && self.line & POSTING != 0
    }

    fn is_pivot(&self) -> bool {
        self.info & NO_PLACE != 0 && self.line & POSTING == 0
    }

    /// What t_tid says: the row, the child, or for a posting list where that begins.
    pub(super) fn place(&self) -> Result<Place, Corrupt> {
        place_at(self.bytes, 0)
    }

    /// How many rows a leaf's entry points to.
    pub fn rows(&self) -> u16 {
        if self.is_posting() {
            self.line & COUNT
        } else {
            1
        }
    }

    /// The n-th of the rows, which ascend.
    #[inline]
    pub fn row(&self, n: u16) -> Result<Place, Corrupt> {
        if !self.is_posting() {
            return self.place();
        }
        let list = self.place()?.block as usize;
        place_at(self.bytes, list + usize::from(n) * PLACE_BYTES)
    }

    /// The columns of the key, as far as they are there.
    #[inline]
    pub fn columns(&self, shape: &Shape) -> Result<Key, Corrupt> {
        let mut key = Key::EMPTY;
        let mut at = self.data();
        for column in &shape.key[..self.there(shape)] {
            match column {
                Column::Id => {
                    key.push::<16>(array_at(self.bytes, at)?);
                    at += 16;
                }
                Column::IdDescending => key = key.id_descending(self.id(&mut at)?),
                Column::Label => key = key.label(self.label(&mut at)?),
                Column::InstantDescending => key = key.instant_descending(self.instant(&mut at)?),
            }
        }
        Ok(key)
    }

    /// The columns that are only carried. Those of the key are not null.
    #[inline]
    pub fn carried(&self, shape: &Shape) -> Result<Carried, Corrupt> {
        let mut at = self.data() + shape.key_bytes();
        let mut carried = Carried {
            label: pg_sys::InvalidOid,
            instant: i64::MAX,
            flag: false,
        };
        for (n, column) in shape.included.iter().enumerate() {
            if self.is_null(shape.key.len() + n)? {
                continue;
            }
            match column {
                Included::Label => carried.label = self.label(&mut at)?,
                Included::Instant => carried.instant = self.instant(&mut at)?,
                Included::Flag => {
                    carried.flag = *self.bytes.get(at).ok_or(Corrupt)? != 0;
                    at += 1;
                }
            }
        }
        Ok(carried)
    }

    /// Key and first row; of a bound what was not truncated.
    pub(super) fn first_key(&self, shape: &Shape) -> Result<Key, Corrupt> {
        let columns = self.columns(shape)?;
        Ok(match self.bound_place()? {
            Some(place) => columns.place(place),
            None if self.is_pivot() => columns,
            None => columns.place(self.row(0)?),
        })
    }

    /// How the entry's last row, or a bound, stands to a key. The same as comparing the bytes of
    /// both, without writing those of the entry: a look into an index compares dozens of times.
    #[inline]
    pub(super) fn compare(&self, shape: &Shape, key: &Key) -> Result<Ordering, Corrupt> {
        let mut rest = key.as_bytes();
        let mut at = self.data();
        for column in &shape.key[..self.there(shape)] {
            if rest.is_empty() {
                return Ok(Ordering::Greater);
            }
            let order = match (column, rest.split_first_chunk(), rest.split_first_chunk()) {
                (Column::Id, Some((id, behind)), _) => {
                    rest = behind;
                    let own = u128::from_be_bytes(self.id(&mut at)?.into_bytes());
                    own.cmp(&u128::from_be_bytes(*id))
                }
                (Column::Label, _, Some((label, behind))) => {
                    rest = behind;
                    let own = self.label(&mut at)?.to_u32();
                    own.cmp(&u32::from_be_bytes(*label))
                }
                _ => return self.compare_bytes(shape, key),
            };
            if order != Ordering::Equal {
                return Ok(order);
            }
        }
        self.compare_bytes(shape, key)
    }

    fn compare_bytes(&self, shape: &Shape, key: &Key) -> Result<Ordering, Corrupt> {
        let own = match self.is_pivot() {
            true => self.first_key(shape)?,
            false => {
                let last = self.rows().checked_sub(1).ok_or(Corrupt)?;
                self.columns(shape)?.place(self.row(last)?)
            }
        };
        Ok(own.cmp(key))
    }

    /// The place that breaks the tie of a bound whose columns two pages share.
    pub(super) fn bound_place(&self) -> Result<Option<Place>, Corrupt> {
        if !self.is_pivot() || self.line & PIVOT_PLACE == 0 {
            return Ok(None);
        }
        // BTreeTupleGetHeapTID
        let at = self.bytes.len().checked_sub(PLACE_BYTES).ok_or(Corrupt)?;
        place_at(self.bytes, at).map(Some)
    }

    /// How many columns of the key are there.
    fn there(&self, shape: &Shape) -> usize {
        match self.is_pivot() {
            true => usize::from(self.line & COUNT).min(shape.key.len()),
            false => shape.key.len(),
        }
    }

    fn data(&self) -> usize {
        match self.info & NULLS != 0 {
            true => TUPLE_HEADER_NULLS,
            false => TUPLE_HEADER,
        }
    }

    fn is_null(&self, column: usize) -> Result<bool, Corrupt> {
        if self.info & NULLS == 0 {
            return Ok(false);
        }
        let bits = self.bytes.get(TUPLE_HEADER + column / 8).ok_or(Corrupt)?;
        Ok(bits & (1 << (column % 8)) == 0)
    }

    fn id(&self, at: &mut usize) -> Result<Uuid, Corrupt> {
        let id = Uuid::from_bytes(array_at(self.bytes, *at)?);
        *at += 16;
        Ok(id)
    }

    fn label(&self, at: &mut usize) -> Result<pg_sys::Oid, Corrupt> {
        *at = at.next_multiple_of(4);
        let label = u32_at(self.bytes, *at)?;
        *at += 4;
        Ok(pg_sys::Oid::from(label))
    }

    fn instant(&self, at: &mut usize) -> Result<i64, Corrupt> {
        *at = at.next_multiple_of(8);
        let micros = i64::from_ne_bytes(array_at(self.bytes, *at)?);
        *at += 8;
        Ok(micros)
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Corrupt> {
    let part = bytes.get(at..at.wrapping_add(N)).ok_or(Corrupt)?;
    part.try_into().map_err(|_| Corrupt)
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Corrupt> {
    array_at(bytes, at).map(u16::from_ne_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Corrupt> {
    array_at(bytes, at).map(u32::from_ne_bytes)
}

/// An ItemPointerData: the block's halves, high first, then the line.
fn place_at(bytes: &[u8], at: usize) -> Result<Place, Corrupt> {
    let [high, low] = [u16_at(bytes, at)?, u16_at(bytes, at + 2)?];
    Ok(Place {
        block: u32::from(high) << 16 | u32::from(low),
        line: u16_at(bytes, at + 4)?,
    })
}
