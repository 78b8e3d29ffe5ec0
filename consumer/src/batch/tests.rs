use rdkafka::message::{Header, OwnedHeaders, OwnedMessage, Timestamp};

use super::*;

fn record(offset: i64, headers: Option<OwnedHeaders>, payload: Option<Vec<u8>>) -> Record {
    let message = OwnedMessage::new(
        payload,
        Some(vec![0xff, 0x00]),
        "documents".into(),
        Timestamp::CreateTime(offset * 10),
        0,
        offset,
        headers,
    );
    Record::copy(&message)
}

#[test]
fn headers_are_flattened_and_counted() {
    let headers = OwnedHeaders::new()
        .insert(Header {
            key: "a",
            value: Some("1"),
        })
        .insert(Header {
            key: "a",
            value: Some(""),
        })
        .insert(Header {
            key: "",
            value: None::<&str>,
        });
    let mut batch = Batch::new(record(3, Some(headers), Some(b"p".to_vec())));
    batch.push(record(7, None, None));
    let last = OwnedHeaders::new().insert(Header {
        key: "b",
        value: Some(&[0xc3_u8, 0x28][..]),
    });
    batch.push(record(8, Some(last), Some(Vec::new())));

    let columns = batch.columns();
    assert_eq!(columns.offsets, [3, 7, 8]);
    assert_eq!(columns.timestamps, [30, 70, 80]);
    assert_eq!(columns.keys, [Some(&[0xff, 0x00][..]); 3]);
    assert_eq!(columns.header_counts, [3, 0, 1]);
    assert_eq!(columns.header_names, [&b"a"[..], b"a", b"", b"b"]);
    assert_eq!(
        columns.header_values,
        [Some(&b"1"[..]), Some(b""), None, Some(&[0xc3, 0x28][..])]
    );
    assert_eq!(columns.payloads, [Some(&b"p"[..]), None, Some(b"")]);
    assert_eq!(batch.next_offset(), 9);
    assert_eq!(batch.len(), 3);
}

#[test]
fn a_batch_is_full_by_count() {
    let mut batch = Batch::new(record(0, None, None));
    for offset in 1..1000 {
        assert!(!batch.is_full(), "at {offset}");
        batch.push(record(offset, None, None));
    }
    assert!(batch.is_full());
}

#[test]
fn a_batch_is_full_by_weight() {
    let heavy = || Some(vec![0; 1 << 20]);
    let mut batch = Batch::new(record(0, None, heavy()));
    for offset in 1..4 {
        assert!(!batch.is_full(), "at {offset}");
        batch.push(record(offset, None, heavy()));
    }
    assert!(batch.is_full());
    assert!(batch.weight() >= 4 << 20);
}
