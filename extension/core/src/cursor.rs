//! Cursors: where a page ended, sealed against accidents.
//!
//! A cursor carries a checksum over its key and the question it belongs to. It holds no secret and
//! proves nothing about its bearer: whoever can ask the question may start it anywhere.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

/// First byte of every cursor of this form.
const FORM: u8 = 1;
const CHECKSUM_BYTES: usize = 8;

/// A cursor that does not belong to the question it was given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor does not belong to this list")]
pub struct WrongCursor;

/// Seals `key`, the sort key of the page's last row, for the question `binding`.
///
/// `binding` names the function and every argument that selects or orders rows.
pub fn seal(binding: &[&[u8]], key: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(1 + key.len() + CHECKSUM_BYTES);
    bytes.push(FORM);
    bytes.extend(key);
    bytes.extend(checksum(binding, key));
    BASE64URL_NOPAD.encode(&bytes)
}

/// The key in `cursor`, if it was sealed for `binding` and is `N` bytes.
pub fn open<const N: usize>(binding: &[&[u8]], cursor: &str) -> Result<[u8; N], WrongCursor> {
    // Anything longer was not sealed here; refusing it first bounds the work.
    let length = BASE64URL_NOPAD.encode_len(1 + N + CHECKSUM_BYTES);
    if cursor.len() != length {
        return Err(WrongCursor);
    }
    let bytes = BASE64URL_NOPAD
        .decode(cursor.as_bytes())
        .map_err(|_| WrongCursor)?;
    let (form, rest) = bytes.split_first().ok_or(WrongCursor)?;
    let (key, sum) = rest.split_at(N);
    match *form == FORM && sum == checksum(binding, key) {
        true => key.try_into().map_err(|_| WrongCursor),
        false => Err(WrongCursor),
    }
}

fn checksum(binding: &[&[u8]], key: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hash = Sha256::new();
    for part in binding {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(key);
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&hash.finalize()[..CHECKSUM_BYTES]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let binding: &[&[u8]] = &[b"list_documents", b"viewer"];
        let cursor = seal(binding, b"key1");
        assert_eq!(open::<4>(binding, &cursor), Ok(*b"key1"));
        assert_eq!(
            open::<4>(&[b"list_documents", b"editor"], &cursor),
            Err(WrongCursor)
        );
        assert_eq!(
            open::<4>(&[b"list_documentsv", b"iewer"], &cursor),
            Err(WrongCursor)
        );
        assert_eq!(open::<5>(binding, &cursor), Err(WrongCursor));
        assert_eq!(open::<4>(binding, ""), Err(WrongCursor));
        assert_eq!(open::<4>(binding, &"A".repeat(100_000)), Err(WrongCursor));
        for i in 0..cursor.len() {
            let mut tampered = cursor.clone().into_bytes();
            tampered[i] = if tampered[i] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(tampered).unwrap();
            assert_eq!(
                open::<4>(binding, &tampered),
                Err(WrongCursor),
                "{tampered}"
            );
        }
    }
}
