//! Index keys as bytes in the index's order.
//!
//! Each column is written so that comparing bytes compares values; the row's place in the table
//! follows, as it breaks ties between equal keys in every btree since Postgres 12. So one comparison
//! of slices is the order of the index, and a shorter key stands before all that begin with it,
//! which is what nbtree means by a truncated column: minus infinity.

use std::cmp::Ordering;

use pgrx::pg_sys;
use uuid::Uuid;

/// A key column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// `uuid`
    Id,
    /// `uuid DESC`
    IdDescending,
    /// An enum whose labels have ascending OIDs (`catalog` holds them to it).
    Label,
    /// `timestamptz DESC`
    InstantDescending,
}

/// A column that an index only carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Included {
    /// An enum.
    Label,
    /// `timestamptz`
    Instant,
    /// `boolean`
    Flag,
}

/// What an index is made of, in order.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// By what it is ordered.
    pub key: &'static [Column],
    /// What else it holds.
    pub included: &'static [Included],
}

impl Shape {
    /// How many bytes the key takes in an entry: alignment by each column's size, an id's by one.
    pub fn key_bytes(&self) -> usize {
        self.key.iter().fold(0, |at, column| match column {
            Column::Id | Column::IdDescending => at + 16,
            Column::Label => at.next_multiple_of(4) + 4,
            Column::InstantDescending => at.next_multiple_of(8) + 8,
        })
    }
}

/// Where a row lies in its table: block and line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The block.
    pub block: u32,
    /// The line pointer in it.
    pub line: u16,
}

const ID_BYTES: u8 = 16;
const PLACE_BYTES: usize = 6;
/// uuid, enum, instant, uuid, place, and one byte to stand behind all that.
const LONGEST: usize = 16 + 4 + 8 + 16 + PLACE_BYTES + 1;

/// A key, or its beginning.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    bytes: [u8; LONGEST],
    length: u8,
}

impl Key {
    /// Of no column: before every other.
    pub const EMPTY: Self = Self {
        bytes: [0; LONGEST],
        length: 0,
    };

    /// Goes on with a `uuid`.
    pub fn id(self, id: Uuid) -> Self {
        self.with(id.into_bytes())
    }

    /// Goes on with a `uuid DESC`.
    pub fn id_descending(self, id: Uuid) -> Self {
        self.with((!id.as_u128()).to_be_bytes())
    }

    /// Goes on with an enum's label.
    pub fn label(self, label: pg_sys::Oid) -> Self {
        self.with(label.to_u32().to_be_bytes())
    }

    /// Goes on with a `timestamptz DESC`, in microseconds since 2000.
    pub fn instant_descending(self, micros: i64) -> Self {
        self.with(descending(micros).to_be_bytes())
    }

    /// Goes on with a row's place.
    #[inline]
    pub fn place(self, place: Place) -> Self {
        let [a, b, c, d] = place.block.to_be_bytes();
        let [e, f] = place.line.to_be_bytes();
        self.with([a, b, c, d, e, f])
    }

    /// The first key behind all that begin with this one and are complete.
    pub fn behind(self) -> Self {
        self.with([u8::MAX; PLACE_BYTES + 1])
    }

    /// The first key behind this one, which is complete.
    pub fn next(self) -> Self {
        self.with([0])
    }

    /// The columns of a complete key behind this prefix of it.
    pub fn columns_behind(&self, prefix: &Self) -> Self {
        let columns = &self.as_bytes()[..self.as_bytes().len() - PLACE_BYTES];
        let behind = &columns[prefix.as_bytes().len()..];
        let mut key = Self::EMPTY;
        key.bytes[..behind.len()].copy_from_slice(behind);
        key.length = behind.len() as u8;
        key
    }

    /// Whether it is this one, or goes on behind it.
    #[inline]
    pub fn begins_with(&self, prefix: &Self) -> bool {
        // What most looks begin with; spares a call of memcmp for each entry.
        if let (Some(own), Some(id)) = (self.first_id(), prefix.first_id())
            && prefix.length == ID_BYTES
        {
            return own == id;
        }
        self.as_bytes().starts_with(prefix.as_bytes())
    }

    /// The bytes that order it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The row's place at the end of a complete key.
    pub fn row(&self) -> Place {
        let at = self.as_bytes().len() - PLACE_BYTES;
        Place {
            block: u32::from_be_bytes(self.array(at)),
            line: u16::from_be_bytes(self.array(at + 4)),
        }
    }

    /// The `uuid` at this byte.
    pub fn id_at(&self, at: usize) -> Uuid {
        Uuid::from_bytes(self.array(at))
    }

    /// The `uuid DESC` at this byte.
    pub fn id_descending_at(&self, at: usize) -> Uuid {
        Uuid::from_bytes(self.array(at).map(|byte: u8| !byte))
    }

    /// The enum's label at this byte.
    pub fn label_at(&self, at: usize) -> pg_sys::Oid {
        pg_sys::Oid::from(u32::from_be_bytes(self.array(at)))
    }

    /// The `timestamptz DESC` at this byte.
    pub fn instant_descending_at(&self, at: usize) -> i64 {
        descending(i64::from_be_bytes(self.array(at)))
    }

    fn first_id(&self) -> Option<u128> {
        let id = self
            .bytes
            .first_chunk()
            .filter(|_| self.length >= ID_BYTES)?;
        Some(u128::from_ne_bytes(*id))
    }

    fn with<const N: usize>(mut self, more: [u8; N]) -> Self {
        self.push(more);
        self
    }

    /// Goes on with bytes that are in order already.
    #[inline]
    pub(super) fn push<const N: usize>(&mut self, more: [u8; N]) {
        let length = usize::from(self.length);
        self.bytes[length..length + N].copy_from_slice(&more);
        self.length += N as u8;
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes[at..at + N]);
        array
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

/// Turns the order of instants round, and turns it back.
fn descending(micros: i64) -> i64 {
    !(micros ^ i64::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_in_the_order_of_the_values() {
        let (low, high) = (Uuid::from_u128(5), Uuid::from_u128(6));
        let of = Key::EMPTY.id(low);
        let less = |a: Key, b: Key| a.as_bytes() < b.as_bytes();
        assert!(less(of, Key::EMPTY.id(high)));
        assert!(less(
            Key::EMPTY.id_descending(high),
            Key::EMPTY.id_descending(low)
        ));
        for pair in [i64::MIN, -1, 0, 1, i64::MAX].windows(2) {
            let [early, late] = [pair[0], pair[1]].map(|at| Key::EMPTY.instant_descending(at));
            assert!(less(late, early));
            assert_eq!(early.instant_descending_at(0), pair[0]);
        }
        // A truncated column is minus infinity.
        assert!(less(of, of.id(Uuid::nil())));
        let complete = of.place(Place { block: 7, line: 2 });
        assert_eq!(complete.row(), Place { block: 7, line: 2 });
        let later = of.place(Place { block: 7, line: 3 });
        assert!(less(complete, complete.next()) && less(complete.next(), later));
        assert!(less(later, of.behind()) && less(of.behind(), Key::EMPTY.id(high)));
    }
}
