use super::*;

const STRUCTURED: &[u8] = br#"{"specversion":"1.0","id":"1","source":"/app","type":"t",
    "subject":"s","time":"2026-01-01T00:00:00Z","data":{"a":1}}"#;

fn cloudevents() -> Vec<Header<'static>> {
    vec![(
        b"content-type",
        Some(b"application/cloudevents+json; charset=UTF-8"),
    )]
}

fn binary_headers() -> Vec<Header<'static>> {
    vec![
        (b"ce_specversion", Some(b"1.0")),
        (b"ce_id", Some(b"1")),
        (b"ce_source", Some(b"/app")),
        (b"ce_type", Some(b"t")),
        (b"ce_subject", Some(b"s")),
        (b"ce_time", Some(b"2026-01-01T00:00:00Z")),
    ]
}

fn rejected(headers: &[Header<'_>], payload: Option<&[u8]>) -> String {
    from_record(headers, payload).unwrap_err().field
}

#[test]
fn both_modes_give_the_same_attributes() {
    let structured = from_record(&cloudevents(), Some(STRUCTURED)).unwrap();
    let binary = from_record(&binary_headers(), Some(br#"{"a":1}"#)).unwrap();
    assert_eq!(structured.id, binary.id);
    assert_eq!(structured.subject, binary.subject);
    assert_eq!(structured.data["a"].get(), binary.data["a"].get());
}

#[test]
fn an_integer_sequence_is_its_digits() {
    let text = std::str::from_utf8(STRUCTURED).unwrap();
    let with =
        |value: &str| text.replace(r#""id":"1""#, &format!(r#""id":"1","sequence":{value}"#));
    for value in ["42", "\"42\"", "4.2e1"] {
        assert_eq!(
            structured(&with(value)).unwrap().sequence.as_deref(),
            Some("42")
        );
    }
    for value in ["4.2", "99999999999", "true", "{}"] {
        assert_eq!(structured(&with(value)).unwrap_err().field, "sequence");
    }
}

#[test]
fn other_attributes_are_strings() {
    let text = std::str::from_utf8(STRUCTURED).unwrap();
    for (member, number, field) in [
        (r#""id":"1""#, r#""id":1"#, "id"),
        (r#""source":"/app""#, r#""source":7"#, "source"),
    ] {
        let error = structured(&text.replace(member, number)).unwrap_err();
        assert_eq!(error.field, field);
    }
}

#[test]
fn a_null_attribute_is_absent() {
    let text = std::str::from_utf8(STRUCTURED).unwrap();
    let unset = text.replace(
        r#""id":"1""#,
        r#""id":"1","sequence":null,"datacontenttype":null"#,
    );
    assert_eq!(structured(&unset).unwrap().sequence, None);
    let missing = text.replace(r#""id":"1""#, r#""id":null"#);
    assert_eq!(structured(&missing).unwrap_err().field, "id");
}

#[test]
fn a_value_is_bounded() {
    let ones = format!("[{}1]", "1,".repeat(17_000_000));
    let large = std::str::from_utf8(STRUCTURED)
        .unwrap()
        .replace(r#"{"a":1}"#, &ones);
    assert_eq!(rejected(&cloudevents(), Some(large.as_bytes())), "value");
    assert_eq!(structured(&large).unwrap_err().field, "value");
}

#[test]
fn binary_data_may_name_any_json_type() {
    for media in [
        "application/json; charset=utf-8",
        "Text/JSON",
        "application/x+json",
    ] {
        let mut headers = binary_headers();
        headers.push((b"content-type", Some(media.as_bytes())));
        assert!(from_record(&headers, Some(b"{}")).is_ok(), "{media}");
    }
}

#[test]
fn poison_is_refused_by_field() {
    let mut twice = binary_headers();
    twice.push((b"ce_id", Some(b"2")));
    let mut garbled = binary_headers();
    garbled[1].1 = Some(b"\xff");
    let mut avro = binary_headers();
    avro.push((b"content-type", Some(b"application/avro")));
    let mut old = binary_headers();
    old[0].1 = Some(b"0.3");
    let ok: Option<&[u8]> = Some(b"{}");
    assert_eq!(rejected(&cloudevents(), None), "value");
    assert_eq!(rejected(&cloudevents(), Some(b"")), "value");
    assert_eq!(rejected(&cloudevents(), Some(b"\xff")), "value");
    assert_eq!(rejected(&cloudevents(), Some(b"[]")), "value");
    assert_eq!(rejected(&cloudevents(), Some(b"{}")), "data");
    assert_eq!(rejected(&[], Some(STRUCTURED)), "content-type");
    assert_eq!(rejected(&avro, ok), "content-type");
    assert_eq!(rejected(&twice, ok), "ce_id");
    assert_eq!(rejected(&garbled, ok), "ce_id");
    assert_eq!(rejected(&old, ok), "specversion");
    assert_eq!(rejected(&binary_headers()[..5], ok), "time");
    assert_eq!(rejected(&binary_headers(), Some(b"7")), "data");
}

#[test]
fn attributes_kept_in_versions_are_bounded() {
    for (name, index) in [("id", 1), ("source", 2)] {
        let long = "x".repeat(MAX_ATTRIBUTE_BYTES + 1);
        let mut headers = binary_headers();
        headers[index].1 = Some(long.as_bytes());
        assert_eq!(rejected(&headers, Some(b"{}")), name);
        headers[index].1 = Some(&long.as_bytes()[1..]);
        assert!(from_record(&headers, Some(b"{}")).is_ok());
        headers[index].1 = Some(b"a\0b");
        assert_eq!(rejected(&headers, Some(b"{}")), name);
    }
}

#[test]
fn unrelated_headers_do_no_harm() {
    let mut headers = binary_headers();
    headers.extend([
        (&b""[..], Some(&b"empty name"[..])),
        (b"", None),
        (b"trace", Some(b"\xff")),
        (b"trace", None),
    ]);
    assert!(from_record(&headers, Some(b"{}")).is_ok());
}

#[test]
fn a_trace_is_taken_from_the_record_before_the_event() {
    let trace = |id: char| format!("00-{}-{}-01", id.to_string().repeat(32), "b".repeat(16));
    let (of_record, of_event) = (trace('1'), trace('2'));
    let event = String::from_utf8_lossy(STRUCTURED).replace(
        r#""id":"1""#,
        &format!(r#""id":"1","traceparent":"{of_event}""#),
    );
    let read = |headers: &[Header<'_>]| {
        let read = from_record(headers, Some(event.as_bytes())).unwrap();
        read.traceparent.map(String::from)
    };
    assert_eq!(read(&cloudevents()), Some(of_event.clone()));
    let mut headers = cloudevents();
    headers.push((b"traceparent", Some(of_record.as_bytes())));
    assert_eq!(read(&headers), Some(of_record.clone()));

    let mut headers = binary_headers();
    headers.push((b"ce_traceparent", Some(of_event.as_bytes())));
    let read = from_record(&headers, Some(br#"{"a":1}"#)).unwrap();
    assert_eq!(read.traceparent.as_deref(), Some(of_event.as_str()));
}

#[test]
fn a_malformed_trace_is_none_and_refuses_nothing() {
    let trace = |version: &str, trace: &str, parent: &str| {
        format!("{version}-{}-{}-01", trace.repeat(32), parent.repeat(16))
    };
    for malformed in [
        "",
        "00-1-2-3",
        "00-\u{e9}",
        &trace("00", "A", "b"),
        &trace("ff", "a", "b"),
        &trace("00", "0", "b"),
        &trace("00", "a", "0"),
    ] {
        let mut headers = binary_headers();
        headers.push((b"traceparent", Some(malformed.as_bytes())));
        headers.push((b"ce_traceparent", Some(malformed.as_bytes())));
        let read = from_record(&headers, Some(br#"{"a":1}"#)).unwrap();
        assert_eq!(read.traceparent, None, "{malformed}");
    }
    let mut headers = binary_headers();
    headers.push((b"traceparent", None));
    headers.push((b"traceparent", None));
    from_record(&headers, Some(br#"{"a":1}"#)).unwrap();
}
