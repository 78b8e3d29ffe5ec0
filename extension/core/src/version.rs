//! The total order of events, as bytes that compare with one `memcmp`.
//!
//! A version is, in this order: `time` in whole nanoseconds, `sequence` (absent before present),
//! `id`, `source`, and a SHA-256 digest of the event's type, subject and known members. The digest
//! makes even two different events under one id converge. Text parts are followed by a zero byte,
//! which no part may contain, so a shorter text sorts before its extensions and no part can run
//! into the next one. `bytea` comparison in Postgres is the same `memcmp`.

use time::OffsetDateTime;

use crate::Rejection;

/// Bytes before the variable parts: seconds (8, sign flipped) and nanoseconds (4), big-endian.
const TIME_BYTES: usize = 12;
/// Microseconds from the Unix epoch to 2000-01-01, where Postgres' `timestamptz` counts from.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;
/// The first and the last microsecond of RFC 3339 in UTC, from the Unix epoch.
const YEAR_0: i64 = -62_167_219_200_000_000;
const YEAR_9999: i64 = 253_402_300_799_999_999;

/// An instant, as RFC 3339 gives it, in whole nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    seconds: i64,
    nanos: u32,
}

impl Instant {
    /// Reads an RFC 3339 timestamp; digits finer than a nanosecond are cut.
    pub fn parse(field: &str, text: &str) -> Result<Self, Rejection> {
        // The library takes any byte between date and time.
        let separated = matches!(text.as_bytes().get(10), Some(b'T' | b't'));
        let parsed = OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
            .ok()
            .filter(|_| separated)
            .ok_or_else(|| {
                Rejection::expected(field, "an RFC 3339 time such as 2026-01-31T09:30:00Z", text)
            })?;
        Ok(Self {
            seconds: parsed.unix_timestamp(),
            nanos: parsed.nanosecond(),
        })
    }

    /// From microseconds since 2000-01-01, as Postgres keeps a `timestamptz`.
    pub fn from_postgres_micros(micros: i64) -> Self {
        let unix = i128::from(micros) + i128::from(POSTGRES_EPOCH_MICROS);
        Self {
            seconds: unix.div_euclid(1_000_000) as i64,
            nanos: unix.rem_euclid(1_000_000) as u32 * 1_000,
        }
    }

    /// Microseconds since 2000-01-01, rounded down. Every RFC 3339 year (0000 to 9999) fits.
    pub fn to_postgres_micros(self) -> i64 {
        self.seconds * 1_000_000 + i64::from(self.nanos / 1_000) - POSTGRES_EPOCH_MICROS
    }

    /// RFC 3339, in UTC and whole microseconds, as times are stored. What was written with an offset may lie
    /// some hours outside the years that RFC 3339 has in UTC; then it is the nearest time within.
    pub fn to_rfc3339(self) -> String {
        let micros = (self.to_postgres_micros() + POSTGRES_EPOCH_MICROS).clamp(YEAR_0, YEAR_9999);
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
            .ok()
            .and_then(|at| {
                at.format(&time::format_description::well_known::Rfc3339)
                    .ok()
            })
            .expect("within RFC 3339")
    }

    /// Nanoseconds since the Unix epoch.
    pub fn unix_nanos(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos)
    }
}

/// The place of an event in the total order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(Box<[u8]>);

impl Version {
    /// Puts the parts together. No text part may contain U+0000: parsing refuses it.
    pub fn new(
        time: Instant,
        sequence: Option<&str>,
        id: &str,
        source: &str,
        digest: &[u8; 32],
    ) -> Self {
        let text = sequence.map_or(0, str::len) + id.len() + source.len();
        let mut bytes = Vec::with_capacity(TIME_BYTES + 1 + text + 3 + digest.len());
        // Flipping the sign bit makes two's complement sort as unsigned bytes.
        bytes.extend(((time.seconds as u64) ^ (1 << 63)).to_be_bytes());
        bytes.extend(time.nanos.to_be_bytes());
        match sequence {
            None => bytes.push(0),
            Some(sequence) => {
                bytes.push(1);
                bytes.extend(sequence.as_bytes());
                bytes.push(0);
            }
        }
        for part in [id, source] {
            bytes.extend(part.as_bytes());
            bytes.push(0);
        }
        bytes.extend(digest);
        Self(bytes.into())
    }

    /// The bytes as stored in a `bytea`; `None` when they are too short to be a version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() > TIME_BYTES).then(|| Self(bytes.into()))
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// `source` and `id` of the event; none when the bytes are no version.
    pub fn origin(&self) -> Option<(&str, &str)> {
        let (sequenced, mut rest) = self.0.get(TIME_BYTES..)?.split_first()?;
        let mut part = || {
            let end = rest.iter().position(|byte| *byte == 0)?;
            let text = std::str::from_utf8(&rest[..end]).ok()?;
            rest = &rest[end + 1..];
            Some(text)
        };
        if *sequenced == 1 {
            part()?;
        }
        let id = part()?;
        Some((part()?, id))
    }

    /// The event's time.
    pub fn time(&self) -> Instant {
        let mut seconds = [0; 8];
        seconds.copy_from_slice(&self.0[..8]);
        let mut nanos = [0; 4];
        nanos.copy_from_slice(&self.0[8..TIME_BYTES]);
        Instant {
            seconds: (u64::from_be_bytes(seconds) ^ (1 << 63)) as i64,
            nanos: u32::from_be_bytes(nanos),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Instant {
        Instant::parse("time", text).unwrap()
    }

    #[test]
    fn finer_digits_than_nanoseconds_are_cut() {
        assert_eq!(
            time("2026-01-01T00:00:00.1234567891Z"),
            time("2026-01-01T00:00:00.123456789Z")
        );
    }

    #[test]
    fn offsets_name_the_same_instant() {
        assert_eq!(
            time("2026-01-01T01:00:00+01:00"),
            time("2026-01-01T00:00:00Z")
        );
    }

    #[test]
    fn stored_times_are_rounded_down() {
        assert_eq!(
            time("2000-01-01T00:00:00.000001999Z").to_postgres_micros(),
            1
        );
        assert_eq!(
            time("1999-12-31T23:59:59.999999999Z").to_postgres_micros(),
            -1
        );
        assert_eq!(
            time("0000-01-01T00:00:00Z").to_postgres_micros(),
            -63_113_904_000_000_000
        );
    }

    #[test]
    fn times_are_told_in_utc_and_within_its_years() {
        for (given, told) in [
            (
                "2026-01-01T01:00:00.1234567+01:00",
                "2026-01-01T00:00:00.123456Z",
            ),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("0000-01-01T00:00:00+01:00", "0000-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(time(given).to_rfc3339(), told);
        }
    }

    #[test]
    fn what_is_not_rfc_3339_is_refused_by_field() {
        for text in [
            "",
            "yesterday",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01 00:00:00Z",
            "294277-01-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "infinity",
        ] {
            assert_eq!(Instant::parse("time", text).unwrap_err().field, "time");
        }
    }

    prop_compose! {
        fn parts()(
            seconds in -62_167_219_200_i64..253_402_300_800,
            nanos in 0_u32..1_000_000_000,
            sequence in proptest::option::of("[\u{1}-\u{ff}]{0,3}"),
            id in "[\u{1}-\u{ff}]{1,3}",
            source in "[\u{1}-\u{ff}]{1,3}",
            digest in any::<[u8; 32]>(),
        ) -> (Instant, Option<String>, String, String, [u8; 32]) {
            (Instant { seconds, nanos }, sequence, id, source, digest)
        }
    }

    proptest! {
        /// The bytes order exactly as the tuple of parts does, and no two tuples share bytes.
        #[test]
        fn bytes_order_as_the_parts_do(a in parts(), b in parts(), equal in any::<bool>()) {
            let mut b = b;
            if equal {
                b.0 = a.0;
            }
            let version = |p: &(Instant, Option<String>, String, String, [u8; 32])|
                Version::new(p.0, p.1.as_deref(), &p.2, &p.3, &p.4);
            let bytes = |p: &(Instant, Option<String>, String, String, [u8; 32])|
                (p.0, p.1.clone().map(String::into_bytes), p.2.clone().into_bytes(), p.3.clone().into_bytes(), p.4);
            prop_assert_eq!(version(&a).cmp(&version(&b)), bytes(&a).cmp(&bytes(&b)));
            prop_assert_eq!(version(&a).time(), a.0);
            let version = version(&a);
            prop_assert_eq!(version.origin(), Some((a.3.as_str(), a.2.as_str())));
        }
    }
}
