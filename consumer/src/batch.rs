//! Records on their way, and the arrays that `deed.apply_batch` takes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;
use rdkafka::Message;
use rdkafka::message::Headers;

/// A batch is applied when it has this many records ...
const MOST_RECORDS: usize = 1000;
/// ... or weighs this much.
const MOST_BYTES: usize = 4 << 20;
/// What a record costs beside its bytes, so that many small ones weigh something too.
const RECORD_BYTES: usize = 512;

/// One record, as Kafka holds it. Nothing in it is read here.
#[derive(Debug)]
pub struct Record {
    /// Its place in the partition.
    pub offset: i64,
    /// Milliseconds since 1970; -1 where Kafka has none.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Names and values, in order, doubled names included.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Its value; none is a tombstone.
    pub payload: Option<Vec<u8>>,
}

impl Record {
    /// Copies the record out of the client's memory.
    pub fn copy(message: &impl Message) -> Self {
        Record {
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().unwrap_or(-1),
            key: message.key().map(<[u8]>::to_vec),
            headers: message.headers().map(headers).unwrap_or_default(),
            payload: message.payload().map(<[u8]>::to_vec),
        }
    }

    /// Kafka's time of it, where it has one.
    fn time(&self) -> Option<Timestamp> {
        let time = Timestamp::from_millisecond(self.timestamp).ok();
        time.filter(|_| self.timestamp >= 0)
    }

    /// Bytes it holds, about.
    pub fn weight(&self) -> usize {
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + len(value) + 64)
            .sum();
        RECORD_BYTES + len(&self.key) + len(&self.payload) + headers
    }
}

/// rdkafka 0.39 panics on a header whose name is not UTF-8, and has no other way to it. Such a
/// header arrives as the one byte FF, which is no UTF-8 either, without its value; the record's
/// other headers arrive whole.
fn headers<H: Headers>(headers: &H) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let read = |at| {
        headers.try_get(at).map(|header| {
            (
                header.key.as_bytes().to_vec(),
                header.value.map(<[u8]>::to_vec),
            )
        })
    };
    (0..headers.count())
        .map_while(|at| {
            catch_unwind(AssertUnwindSafe(|| read(at))).unwrap_or(Some((vec![0xff], None)))
        })
        .collect()
}

/// Records of one partition, in order, and where the next batch begins.
#[derive(Debug)]
pub struct Batch {
    records: Vec<Record>,
    weight: usize,
    next_offset: i64,
}

impl Batch {
    /// A batch that starts with this record.
    pub fn new(first: Record) -> Self {
        Batch::of(vec![first])
    }

    fn of(records: Vec<Record>) -> Self {
        let mut batch = Batch {
            records: Vec::with_capacity(records.len()),
            weight: 0,
            next_offset: 0,
        };
        for record in records {
            batch.push(record);
        }
        batch
    }

    /// No record, but the log goes on at this offset.
    pub fn passing(next_offset: i64) -> Self {
        let mut batch = Batch::of(Vec::new());
        batch.next_offset = next_offset;
        batch
    }

    /// What comes behind the last record, up to this offset, is none: markers of transactions, or compacted away.
    pub fn pass(&mut self, next_offset: i64) {
        self.next_offset = self.next_offset.max(next_offset);
    }

    /// The earlier and the later half of its records; itself when there is but one.
    pub fn halves(mut self) -> Result<(Batch, Batch), Batch> {
        if self.records.len() < 2 {
            return Err(self);
        }
        let later = self.records.split_off(self.records.len() / 2);
        let (earlier, mut later) = (Batch::of(self.records), Batch::of(later));
        later.pass(self.next_offset);
        Ok((earlier, later))
    }

    /// Adds the next record.
    pub fn push(&mut self, record: Record) {
        self.weight += record.weight();
        self.next_offset = record.offset + 1;
        self.records.push(record);
    }

    /// Whether it should be applied before more is added.
    pub fn is_full(&self) -> bool {
        self.records.len() >= MOST_RECORDS || self.weight >= MOST_BYTES
    }

    /// The weight of its records together.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The records that are in a trace: offset and W3C `traceparent`.
    #[cfg(feature = "otel")]
    pub fn traces(&self) -> impl Iterator<Item = (i64, &str)> {
        const NAMES: [&[u8]; 2] = [b"traceparent", b"ce_traceparent"];
        self.records.iter().filter_map(|record| {
            let of_name = |wanted: &[u8]| {
                let mut headers = record.headers.iter();
                let (_, value) = headers.find(|(name, _)| name == wanted)?;
                std::str::from_utf8(value.as_deref()?).ok()
            };
            Some((record.offset, NAMES.into_iter().find_map(of_name)?))
        })
    }

    /// Kafka's time of its first record, where it has one.
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.records.first()?.time()
    }

    /// Kafka's time of its last record, where it has one.
    pub fn last_timestamp(&self) -> Option<Timestamp> {
        self.records.last()?.time()
    }

    /// How many records it has.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// The offset behind its last record.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The arrays, with the headers of all records one after the other.
    pub fn columns(&self) -> Columns<'_> {
        let mut columns = Columns::default();
        for record in &self.records {
            columns.offsets.push(record.offset);
            columns.timestamps.push(record.timestamp);
            columns.keys.push(record.key.as_deref());
            columns
                .header_counts
                .push(i32::try_from(record.headers.len()).expect("a record has 100 MB at most"));
            for (name, value) in &record.headers {
                columns.header_names.push(name);
                columns.header_values.push(value.as_deref());
            }
            columns.payloads.push(record.payload.as_deref());
        }
        columns
    }
}

/// The array arguments of `deed.apply_batch`, in its order.
#[derive(Debug, Default)]
pub struct Columns<'a> {
    /// Ascending.
    pub offsets: Vec<i64>,
    /// Milliseconds since 1970, or -1.
    pub timestamps: Vec<i64>,
    /// One a record.
    pub keys: Vec<Option<&'a [u8]>>,
    /// How many of the next two belong to each record.
    pub header_counts: Vec<i32>,
    /// One a header.
    pub header_names: Vec<&'a [u8]>,
    /// One a header.
    pub header_values: Vec<Option<&'a [u8]>>,
    /// One a record.
    pub payloads: Vec<Option<&'a [u8]>>,
}

#[cfg(test)]
mod tests;
