//! Records that are no event: quarantined whole, once, by the field that is wrong; the stream goes on.

use deed_tests::event::{Clock, Event, Record, id, structured};
use deed_tests::stage::Line;
use postgres::Client;
use serde_json::{Value, json};

/// What is wrong with a record, and the field that the reason must name.
struct Poison {
    what: &'static str,
    field: &'static str,
    record: Record,
}

fn poison(what: &'static str, field: &'static str, record: Record) -> Poison {
    Poison {
        what,
        field,
        record,
    }
}

/// A valid event as JSON text, with one piece of it replaced.
fn with(event: &Event, from: &str, to: &str) -> Record {
    let valid = String::from_utf8(event.structured().value.expect("a value")).expect("UTF-8");
    assert!(valid.contains(from), "{from} in {valid}");
    structured("poison", valid.replacen(from, to, 1))
}

fn header(mut record: Record, name: &str, value: Option<&[u8]>) -> Record {
    record
        .headers
        .push((name.to_owned(), value.map(<[u8]>::to_vec)));
    record
}

fn without_header(mut record: Record, name: &str) -> Record {
    record.headers.retain(|(given, _)| given != name);
    record
}

fn all(event: &Event) -> Vec<Poison> {
    let content = |raw: &str| with(event, r#""title":"Poison""#, &format!(r#""content":{raw}"#));
    let garbage: Vec<u8> = (0..900_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut all = vec![
        poison("not JSON", "value", structured("poison", "not JSON")),
        poison(
            "cut off",
            "value",
            structured("poison", r#"{"specversion":"1.0","#),
        ),
        poison("900 kB of garbage", "value", structured("poison", garbage)),
        poison(
            "null value",
            "value",
            Record {
                value: None,
                ..event.structured()
            },
        ),
        poison("empty value", "value", structured("poison", "")),
        poison(
            "invalid UTF-8 in the value",
            "value",
            structured("poison", b"{\"id\":\"\xff\"}".to_vec()),
        ),
        poison(
            "wrong specversion",
            "specversion",
            with(event, r#""specversion":"1.0""#, r#""specversion":"0.3""#),
        ),
        poison(
            "unknown type",
            "type",
            with(event, "document.created", "document.invented"),
        ),
        poison(
            "bad uuid in data",
            "created_by",
            with(event, &event.data["created_by"].to_string(), "\"anne\""),
        ),
        poison(
            "bad uuid as subject",
            "subject",
            with(event, &event.subject.to_string(), "document-1"),
        ),
        poison(
            "member missing",
            "created_by",
            with(event, "created_by", "made_by"),
        ),
        poison(
            "wrong-typed member",
            "title",
            with(event, r#""Poison""#, "7"),
        ),
        poison(
            "U+0000 in a title",
            "title",
            with(event, "Poison", r"Poi\u0000son"),
        ),
        poison(
            "a lone surrogate",
            "title",
            with(event, "Poison", r"\ud800"),
        ),
        poison(
            "nested 10,000 deep",
            "content",
            content(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))),
        ),
        poison("1e999999", "content", content("1e999999")),
        poison(
            "a date outside Postgres' range",
            "time",
            with(event, &event.time, "999999-01-01T00:00:00Z"),
        ),
        poison(
            "a date that is none",
            "time",
            with(event, &event.time, "2026-02-30T00:00:00Z"),
        ),
        poison(
            "a time far ahead",
            "time",
            with(event, &event.time, "9999-01-01T00:00:00Z"),
        ),
        poison(
            "neither mode",
            "content-type",
            Record {
                headers: vec![],
                ..event.structured()
            },
        ),
        poison(
            "binary data of another kind",
            "content-type",
            header(event.binary(), "content-type", Some(b"application/avro")),
        ),
        poison(
            "invalid UTF-8 in a header",
            "id",
            header(
                without_header(event.binary(), "ce_id"),
                "ce_id",
                Some(b"\xff\xfe"),
            ),
        ),
        poison(
            "a doubled header",
            "id",
            header(event.binary(), "ce_id", Some(b"another")),
        ),
        poison(
            "a null header",
            "id",
            header(without_header(event.binary(), "ce_id"), "ce_id", None),
        ),
        poison(
            "poison with invalid UTF-8 in its key and odd headers",
            "value",
            header(
                header(
                    header(
                        Record {
                            key: Some(vec![0xff, 0x00, 0xfe]),
                            ..structured("", "{")
                        },
                        "",
                        Some(b"nameless"),
                    ),
                    "twice",
                    Some(b"\xff"),
                ),
                "twice",
                None,
            ),
        ),
    ];
    for name in ["specversion", "id", "source", "type", "subject", "time"] {
        let removed = with(event, &format!("\"{name}\":"), &format!("\"no{name}\":"));
        all.push(poison("attribute missing", name, removed));
        let removed = without_header(event.binary(), &format!("ce_{name}"));
        // Without ce_specversion it is not binary mode at all.
        let field = if name == "specversion" {
            "content-type"
        } else {
            name
        };
        all.push(poison("header missing", field, removed));
    }
    all
}

#[test]
fn poison_is_quarantined_whole_and_once_and_the_stream_goes_on() {
    let line = Line::shared("poison", 1);
    let _consumer = line.consumer("a");
    let anne = id("poison anne");
    let mut clock = Clock::default();
    let poison = all(&clock.created(id("poison document"), anne, "Poison"));
    let mut records = Vec::new();
    for (n, bad) in poison.iter().enumerate() {
        records.push(
            clock
                .created(id(&format!("poison {n}")), anne, "Good")
                .structured(),
        );
        records.push(bad.record.clone());
    }
    // Odd, but the key is not read, and nobody asks for these headers.
    let mut odd = clock.created(id("poison odd"), anne, "Good").binary();
    odd.key = Some(vec![0xff, 0xfe]);
    let odd = header(header(odd, "", Some(b"nameless")), "trace", Some(b"\xff"));
    records.push(header(header(odd, "trace", None), "trace", Some(b"")));
    line.send(&records);
    line.wait_until_applied();

    let mut client = line.admin();
    let good: i64 = client
        .query_one(
            "SELECT count(*) FROM deed.document WHERE title = 'Good'",
            &[],
        )
        .expect("documents")
        .get(0);
    assert_eq!(
        good,
        poison.len() as i64 + 1,
        "all valid records around the poison"
    );
    let rows: i64 = client
        .query_one("SELECT count(*) FROM deed.document", &[])
        .expect("documents")
        .get(0);
    assert_eq!(rows, good, "and nothing of the poison");
    let failures: Vec<String> = poison
        .iter()
        .enumerate()
        .filter_map(|(n, bad)| {
            let problem = compare(&mut client, 2 * n as i64 + 1, bad).err()?;
            Some(format!("{} ({}): {problem}", bad.what, bad.field))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let kept: i64 = client
        .query_one("SELECT count(*) FROM deed.quarantine", &[])
        .expect("quarantine")
        .get(0);
    assert_eq!(kept, poison.len() as i64);
}

/// Whether the record at this offset is kept with all its parts and a reason that names the field.
fn compare(client: &mut Client, offset: i64, bad: &Poison) -> Result<(), String> {
    let row = client
        .query_opt(
            "SELECT topic, partition, record_timestamp, record_key, headers::text, payload, reason
             FROM deed.quarantine WHERE record_offset = $1",
            &[&offset],
        )
        .expect("quarantine")
        .ok_or("not in quarantine")?;
    let equal = |part: &str, equal: bool| match equal {
        true => Ok(()),
        false => Err(format!("its {part} differs")),
    };
    equal("topic", row.get::<_, &str>(0) == "poison.events")?;
    equal("partition", row.get::<_, i32>(1) == 0)?;
    equal("timestamp", row.get::<_, i64>(2) > 0)?;
    equal("key", row.get::<_, Option<Vec<u8>>>(3) == bad.record.key)?;
    equal(
        "payload",
        row.get::<_, Option<Vec<u8>>>(5) == bad.record.value,
    )?;
    let kept: Value = serde_json::from_str(row.get(4)).map_err(|error| error.to_string())?;
    let sent: Vec<Value> = bad.record.headers.iter().map(kept_header).collect();
    if kept != Value::Array(sent.clone()) {
        return Err(format!("its headers differ: {kept}, sent {sent:?}"));
    }
    let reason: &str = row.get(6);
    // The field is a word of the reason: `data.title`, `title`, `ce_id`.
    let words = reason.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'));
    let named = words
        .map(|word| word.strip_prefix("ce_").unwrap_or(word))
        .any(|word| word == bad.field);
    if !named {
        return Err(format!("the reason does not name the field: {reason}"));
    }
    Ok(())
}

/// A header as the quarantine keeps it: as text, or in base64 where it can't be text.
fn kept_header((name, value): &(String, Option<Vec<u8>>)) -> Value {
    let mut kept = json!({ "name": name });
    match value.as_deref().map(std::str::from_utf8) {
        None => kept["value"] = Value::Null,
        Some(Ok(text)) => kept["value"] = json!(text),
        Some(Err(_)) => {
            let bytes = value.as_deref().unwrap_or_default();
            kept["value_base64"] = json!(data_encoding::BASE64.encode(bytes));
        }
    }
    kept
}
