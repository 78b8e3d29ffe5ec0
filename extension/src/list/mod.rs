//! Lists, a page at a time: keyset cursors, never offsets.

pub mod deleted;
pub mod documents;
pub mod members;
mod merge;
pub mod permissions;
pub mod principals;

use pgrx::datum::TimestampWithTimeZone;
use uuid::Uuid;

use crate::failure::{Failure, SqlState};

/// Refuses page sizes outside 1 to 1,000.
fn page_size(rows: i32) -> Result<usize, Failure> {
    const LARGEST: i32 = 1_000;
    match (1..=LARGEST).contains(&rows) {
        true => Ok(rows as usize),
        false => Err(Failure::new(
            SqlState::PageSize,
            format!("page_size is {rows}, expected 1 to {LARGEST}"),
        )
        .hint("Further rows come with the cursor of the last one as after.")),
    }
}

/// Opens a cursor, or says what was expected.
fn open<const N: usize>(
    binding: &[&[u8]],
    after: Option<&str>,
) -> Result<Option<[u8; N]>, Failure> {
    let opened = after.map(|cursor| deed_core::cursor::open(binding, cursor));
    opened.transpose().map_err(|error| {
        Failure::new(
            SqlState::Cursor,
            format!("after: {error}, expected one from a row that the same question returned"),
        )
        .hint("Start again without a cursor. Only page_size may change between pages.")
    })
}

/// A time and an id as one sort key: microseconds since 2000, then the id.
fn pack(time: TimestampWithTimeZone, id: Uuid) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&i64::from(time).to_be_bytes());
    key[8..].copy_from_slice(id.as_bytes());
    key
}

fn unpack(key: [u8; 24]) -> (Option<TimestampWithTimeZone>, Uuid) {
    let mut micros = [0; 8];
    micros.copy_from_slice(&key[..8]);
    let mut id = [0; 16];
    id.copy_from_slice(&key[8..]);
    let micros = i64::from_be_bytes(micros);
    (
        TimestampWithTimeZone::try_from(micros).ok(),
        Uuid::from_bytes(id),
    )
}
