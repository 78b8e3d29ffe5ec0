//! The order of events.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::event::Event;

/// Where an event stands; compared part by part, in the order of the fields. Text compares by
/// bytes, and no sequence comes before any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    nanos: i128,
    sequence: Option<String>,
    id: String,
    source: String,
    tie: [u8; 32],
}

impl Version {
    pub(super) fn of(event: &Event, tie: [u8; 32]) -> Self {
        Self {
            nanos: nanos(&event.time),
            sequence: event.sequence.clone(),
            id: event.id.clone(),
            source: event.source.clone(),
            tie,
        }
    }

    /// Reads a version as the product stores it: 8 bytes of seconds with the sign flipped and 4 of
    /// nanoseconds, big-endian; 0, or 1 and the sequence; id; source; 32 bytes of digest. Each text
    /// ends with a zero byte. `None` when it is anything else.
    pub fn stored(bytes: &[u8]) -> Option<Self> {
        let (seconds, rest) = bytes.split_first_chunk::<8>()?;
        let (nanos, rest) = rest.split_first_chunk::<4>()?;
        let (marker, rest) = rest.split_first()?;
        let (rest, tie) = rest.split_last_chunk::<32>()?;
        let text = std::str::from_utf8(rest).ok()?.strip_suffix('\0')?;
        let mut texts = text.split('\0').map(str::to_owned);
        let version = Self {
            nanos: i128::from(i64::from_be_bytes(*seconds) ^ i64::MIN) * 1_000_000_000
                + i128::from(u32::from_be_bytes(*nanos)),
            sequence: match marker {
                0 => None,
                1 => Some(texts.next()?),
                _ => return None,
            },
            id: texts.next()?,
            source: texts.next()?,
            tie: *tie,
        };
        texts.next().is_none().then_some(version)
    }

    /// Its time as stored times show it, in microseconds since 1970, rounded down.
    pub fn micros(&self) -> i128 {
        self.nanos.div_euclid(1_000)
    }
}

/// The digest is cut to 4 bytes: enough to tell apart what no other part does.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.nanos)?;
        if let Some(sequence) = &self.sequence {
            write!(f, " #{sequence}")?;
        }
        let [a, b, c, d, ..] = self.tie;
        write!(f, " {} {} ~", self.id, self.source)?;
        write!(f, "{a:02x}{b:02x}{c:02x}{d:02x}")
    }
}

/// Nanoseconds since 1970; finer digits are cut.
fn nanos(rfc3339: &str) -> i128 {
    OffsetDateTime::parse(rfc3339, &Rfc3339)
        .expect("an RFC 3339 time")
        .unix_timestamp_nanos()
}

/// Microseconds since 1970, rounded down.
pub(super) fn micros(rfc3339: &str) -> i128 {
    nanos(rfc3339).div_euclid(1_000)
}
