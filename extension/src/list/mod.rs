//! Lists, a page at a time: keyset cursors, never offsets.

pub mod documents;
pub mod permissions;

use crate::failure::{Failure, SqlState};

/// Refuses page sizes outside 1 to 1,000.
fn page_size(rows: i32) -> Result<i64, Failure> {
    const LARGEST: i32 = 1_000;
    match (1..=LARGEST).contains(&rows) {
        true => Ok(i64::from(rows)),
        false => Err(Failure::new(
            SqlState::PageSize,
            format!("page_size is {rows}, expected 1 to {LARGEST}"),
        )),
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
