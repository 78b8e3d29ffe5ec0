//! Finds the CloudEvents 1.0 event in a Kafka record, in structured or binary mode.
//!
//! Source: CloudEvents 1.0.2 and its Kafka protocol binding, section 3.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::Rejection;
use crate::json::{Json, RawMembers, object};

/// Longest `id`, `source` and `sequence`, in bytes: every register keeps them in its version.
const MAX_ATTRIBUTE_BYTES: usize = 1_024;

/// One Kafka header. Neither part needs to be UTF-8, and a value may be null.
pub type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// The context attributes that Deed reads, and `data` as JSON text.
#[derive(Debug)]
pub struct Attributes<'a> {
    /// `id`
    pub id: Cow<'a, str>,
    /// `source`
    pub source: Cow<'a, str>,
    /// `type`
    pub kind: Cow<'a, str>,
    /// `subject`
    pub subject: Cow<'a, str>,
    /// `time`, unparsed
    pub time: Cow<'a, str>,
    /// `sequence`, of the CloudEvents sequence extension
    pub sequence: Option<Cow<'a, str>>,
    /// The members of `data`
    pub data: RawMembers<'a>,
}

/// The event of one Kafka record.
pub fn from_record<'a>(
    headers: &[Header<'a>],
    payload: Option<&'a [u8]>,
) -> Result<Attributes<'a>, Rejection> {
    let payload = payload.ok_or_else(|| {
        Rejection::new(
            "value",
            "is null; a deletion is an event of its own, not a tombstone",
        )
    })?;
    let text = std::str::from_utf8(payload)
        .map_err(|error| Rejection::new("value", format!("not UTF-8: {error}")))?;
    let content_type = header(headers, "content-type")?;
    let media_type = content_type.map(|value| value.trim().to_ascii_lowercase());
    match media_type.as_deref() {
        Some(media) if media.starts_with("application/cloudevents+json") => structured(text),
        _ if header(headers, "ce_specversion")?.is_none() => Err(Rejection::new(
            "content-type",
            "expected application/cloudevents+json, or binary mode with a header ce_specversion",
        )),
        Some(media) if !is_json(media) => Err(Rejection::expected(
            "content-type",
            "JSON data in binary mode",
            media,
        )),
        _ => binary(headers, text),
    }
}

/// The event in a structured-mode JSON document.
pub fn structured(text: &str) -> Result<Attributes<'_>, Rejection> {
    let members = object("value", text)?;
    if members.contains_key("data_base64") {
        return Err(Rejection::new(
            "data_base64",
            "not supported; send JSON in data",
        ));
    }
    if let Some(media) = attribute(&members, "datacontenttype")?
        && !is_json(&media.to_ascii_lowercase())
    {
        return Err(Rejection::expected("datacontenttype", "JSON", &media));
    }
    let data = members
        .get("data")
        .ok_or_else(|| Rejection::new("data", "missing"))?;
    attributes(
        |name| attribute(&members, name),
        object("data", data.get())?,
    )
}

fn binary<'a>(headers: &[Header<'a>], text: &'a str) -> Result<Attributes<'a>, Rejection> {
    attributes(
        |name| Ok(header(headers, &format!("ce_{name}"))?.map(Cow::Borrowed)),
        object("data", text)?,
    )
}

fn attributes<'a>(
    find: impl Fn(&str) -> Result<Option<Cow<'a, str>>, Rejection>,
    data: RawMembers<'a>,
) -> Result<Attributes<'a>, Rejection> {
    let required = |name: &str| {
        let value = find(name)?.ok_or_else(|| Rejection::new(name, "missing"))?;
        match value.is_empty() {
            true => Err(Rejection::new(name, "empty")),
            false => Ok(value),
        }
    };
    let specversion = required("specversion")?;
    if specversion != "1.0" {
        return Err(Rejection::expected("specversion", "1.0", &specversion));
    }
    let versioned = |name: &str, value: Cow<'a, str>| match value.len() > MAX_ATTRIBUTE_BYTES {
        true => Err(Rejection::new(
            name,
            format!("longer than {MAX_ATTRIBUTE_BYTES} bytes"),
        )),
        false if value.contains('\0') => Err(Rejection::new(name, "contains U+0000")),
        false => Ok(value),
    };
    Ok(Attributes {
        id: versioned("id", required("id")?)?,
        source: versioned("source", required("source")?)?,
        kind: required("type")?,
        subject: required("subject")?,
        time: required("time")?,
        sequence: find("sequence")?
            .map(|value| versioned("sequence", value))
            .transpose()?,
        data,
    })
}

/// An attribute of a structured event: a string, or an integer, whose string form is its digits.
fn attribute<'a>(members: &RawMembers<'a>, name: &str) -> Result<Option<Cow<'a, str>>, Rejection> {
    let Some(raw): Option<&&'a RawValue> = members.get(name) else {
        return Ok(None);
    };
    match Json::parse(name, raw)? {
        Json::String(text) => Ok(Some(Cow::Owned(text))),
        Json::Number(_) => match raw.get().parse::<i32>() {
            Ok(integer) => Ok(Some(Cow::Owned(integer.to_string()))),
            Err(_) => Err(Rejection::expected(
                name,
                "a string or a 32-bit integer",
                raw.get(),
            )),
        },
        other => Err(Rejection::new(
            name,
            format!("expected a string, found {}", other.kind()),
        )),
    }
}

/// The value of a header that may stand there once. A null value counts as absent.
fn header<'a>(headers: &[Header<'a>], name: &str) -> Result<Option<&'a str>, Rejection> {
    let mut found = headers
        .iter()
        .filter(|(key, _)| *key == name.as_bytes())
        .map(|(_, value)| *value);
    let first = found.next().flatten();
    if found.next().is_some() {
        return Err(Rejection::new(name, "the header is given more than once"));
    }
    first
        .map(std::str::from_utf8)
        .transpose()
        .map_err(|_| Rejection::new(name, "the header is not UTF-8"))
}

/// `application/json`, `text/json` and every `+json`, with or without parameters.
fn is_json(media: &str) -> bool {
    let essence = media.split(';').next().unwrap_or_default().trim();
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}

#[cfg(test)]
mod tests {
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
        for value in ["42", "\"42\""] {
            assert_eq!(
                structured(&with(value)).unwrap().sequence.as_deref(),
                Some("42")
            );
        }
        for value in ["4.2", "99999999999", "true", "null", "{}"] {
            assert_eq!(structured(&with(value)).unwrap_err().field, "sequence");
        }
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
}
