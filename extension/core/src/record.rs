//! Finds the CloudEvents 1.0 event in a Kafka record, in structured or binary mode.
//!
//! Source: CloudEvents 1.0.2 and its Kafka protocol binding, section 3.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::Rejection;
use crate::json::{Json, RawMembers, object};

/// Longest `id`, `source` and `sequence`, in bytes: every register keeps them in its version.
const MAX_ATTRIBUTE_BYTES: usize = 1_024;

/// Longest value of a record, in bytes. From 16 MiB of JSON Postgres can make a `jsonb` within its
/// limits, whatever it holds; compressed, a record of far more may pass a broker's own limit.
const MAX_VALUE_BYTES: usize = 16 << 20;

/// Of W3C Trace Context, as a Kafka header and as the CloudEvents extension of that name.
const TRACEPARENT: &str = "traceparent";

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
    /// `traceparent`, where there is a well-formed one
    pub traceparent: Option<Cow<'a, str>>,
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
    within_limit(payload.len())?;
    let text = std::str::from_utf8(payload)
        .map_err(|error| Rejection::new("value", format!("not UTF-8: {error}")))?;
    let content_type = header(headers, "content-type")?;
    let media_type = content_type.map(|value| value.trim().to_ascii_lowercase());
    let mut attributes = match media_type.as_deref() {
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
    }?;
    // What produced the record knows more than what made the event.
    if let Some(of_record) = header(headers, TRACEPARENT).ok().flatten().filter(is_trace) {
        attributes.traceparent = Some(of_record.into());
    }
    Ok(attributes)
}

/// The event in a structured-mode JSON document.
pub fn structured(text: &str) -> Result<Attributes<'_>, Rejection> {
    within_limit(text.len())?;
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
        // No reason to keep an event from being applied.
        traceparent: find(TRACEPARENT)
            .ok()
            .flatten()
            .filter(|value| is_trace(&&**value)),
        data,
    })
}

/// Version, trace, parent and flags: two, 32, 16 and two lower-case hexadecimal digits, of which the version is not `ff` and
/// neither id is zero (W3C Trace Context 1, section 3.2.2).
fn is_trace(value: &&str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let [version, trace, parent, flags] = parts[..] else {
        return false;
    };
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_zero = |id: &str| id.bytes().all(|c| c == b'0');
    is_hex(version, 2)
        && is_hex(trace, 32)
        && is_hex(parent, 16)
        && is_hex(flags, 2)
        && version != "ff"
        && !is_zero(trace)
        && !is_zero(parent)
}

fn within_limit(bytes: usize) -> Result<(), Rejection> {
    match bytes > MAX_VALUE_BYTES {
        true => Err(Rejection::new(
            "value",
            format!("has {bytes} bytes, expected {MAX_VALUE_BYTES} at most"),
        )),
        false => Ok(()),
    }
}

/// An attribute of a structured event: a string. `sequence` may be an integer too, whose string form
/// is its digits.
/// Null is the same as absent (CloudEvents JSON format 1.0.2, section 2.2).
fn attribute<'a>(members: &RawMembers<'a>, name: &str) -> Result<Option<Cow<'a, str>>, Rejection> {
    let Some(raw): Option<&&'a RawValue> = members.get(name) else {
        return Ok(None);
    };
    match Json::parse(name, raw)? {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(Cow::Owned(text))),
        number @ Json::Number(_) if name == "sequence" => match number.integer() {
            Some(integer) => Ok(Some(Cow::Owned(integer.to_string()))),
            None => Err(Rejection::expected(
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
mod tests;
