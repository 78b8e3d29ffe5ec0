//! JSON with exact numbers, in one canonical form.
//!
//! `serde_json` finds the tokens; values are kept as this crate's own [`Json`], because its
//! `Value` rounds numbers, or, asked to keep them, reads one magic object key as a number.
//! Whatever Postgres' `jsonb` could not store is refused here, so that storing never fails.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::value::RawValue;

use crate::Rejection;

/// How deep arrays and objects may be nested, counted from `data` itself.
pub const MAX_DEPTH: usize = 100;
/// Digits that Postgres' `numeric` takes before the decimal point, and after it.
const MAX_WHOLE_DIGITS: i64 = 131_072;
const MAX_FRACTION_DIGITS: i64 = 16_383;

/// The members of one object, each still as its text. The last of equal keys counts, as in `jsonb`.
pub type RawMembers<'a> = BTreeMap<String, &'a RawValue>;

/// A JSON value whose numbers are exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as `digits` or `digits` `e` `exponent`, without leading or trailing zeros.
    Number(String),
    /// A string without U+0000.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object, by key.
    Object(BTreeMap<String, Json>),
}

/// Splits an object into its members; `field` names it in a rejection.
pub fn object<'a>(field: &str, text: &'a str) -> Result<RawMembers<'a>, Rejection> {
    if !text.trim_start().starts_with('{') {
        return Err(Rejection::expected(field, "a JSON object", text));
    }
    serde_json::from_str(text).map_err(|error| Rejection::new(field, format!("not JSON: {error}")))
}

impl Json {
    /// Reads a value that Postgres can store; `field` names it in a rejection.
    pub fn parse(field: &str, raw: &RawValue) -> Result<Self, Rejection> {
        // `data` is the first level, its members' values the second.
        read(field, raw, 2)
    }

    /// The canonical text: keys sorted by bytes, no white space, numbers in one spelling.
    pub fn canonical(&self) -> String {
        let mut out = String::new();
        write(self, &mut out);
        out
    }

    /// What kind of value this is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::String(_) => "a string",
            Json::Array(_) => "an array",
            Json::Object(_) => "an object",
        }
    }
}

fn read(field: &str, raw: &RawValue, depth: usize) -> Result<Json, Rejection> {
    let text = raw.get();
    let invalid =
        |error: serde_json::Error| Rejection::new(field, format!("not storable: {error}"));
    let nested = |json: Json| match depth > MAX_DEPTH {
        true => Err(Rejection::new(
            field,
            format!("nested deeper than {MAX_DEPTH} levels"),
        )),
        false => Ok(json),
    };
    match text.as_bytes().first() {
        Some(b'n') => Ok(Json::Null),
        Some(b't') => Ok(Json::Bool(true)),
        Some(b'f') => Ok(Json::Bool(false)),
        Some(b'"') => string(field, serde_json::from_str(text).map_err(invalid)?).map(Json::String),
        Some(b'[') => {
            nested(Json::Null)?;
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(invalid)?;
            items
                .into_iter()
                .map(|item| read(field, item, depth + 1))
                .collect::<Result<_, _>>()
                .map(Json::Array)
        }
        Some(b'{') => {
            nested(Json::Null)?;
            object(field, text)?
                .into_iter()
                .map(|(key, value)| Ok((string(field, key)?, read(field, value, depth + 1)?)))
                .collect::<Result<_, Rejection>>()
                .map(Json::Object)
        }
        _ => number(field, text).map(Json::Number),
    }
}

fn string(field: &str, text: String) -> Result<String, Rejection> {
    match text.contains('\0') {
        true => Err(Rejection::new(
            field,
            "contains U+0000, which Postgres can't store",
        )),
        false => Ok(text),
    }
}

/// `12.50` and `1.25e1` are one number, `125e-1`; `-0.0` is `0`.
fn number(field: &str, text: &str) -> Result<String, Rejection> {
    let out_of_range = || Rejection::expected(field, "a number that Postgres' numeric holds", text);
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let digits = significant.trim_end_matches('0');
    if digits.is_empty() {
        return Ok("0".to_owned());
    }
    let exponent: i64 = exponent.parse().map_err(|_| out_of_range())?;
    let dropped = (significant.len() - digits.len()) as i64;
    let power = exponent
        .checked_sub(fraction.len() as i64)
        .and_then(|power| power.checked_add(dropped))
        .ok_or_else(out_of_range)?;
    let whole_digits = power.checked_add(digits.len() as i64);
    if whole_digits.is_none_or(|n| n > MAX_WHOLE_DIGITS) || power < -MAX_FRACTION_DIGITS {
        return Err(out_of_range());
    }
    Ok(match power {
        0 => format!("{sign}{digits}"),
        _ => format!("{sign}{digits}e{power}"),
    })
}

fn write(json: &Json, out: &mut String) {
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) => out.push_str(number),
        Json::String(text) => quote(text, out),
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (i, (key, value)) in members.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                quote(key, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Json, Rejection> {
        Json::parse("data.content", serde_json::from_str(text).unwrap())
    }

    fn canonical(text: &str) -> String {
        parse(text).unwrap().canonical()
    }

    #[test]
    fn one_number_has_one_spelling() {
        for (texts, spelling) in [
            (&["0", "-0", "0.000", "-0e7", "0E-9"][..], "0"),
            (&["12.5", "12.50", "1.25e1", "125E-1", "0.125e+2"], "125e-1"),
            (&["100", "1e2", "1.0E+2", "100.00"], "1e2"),
            (&["-7", "-7.0", "-70e-1"], "-7"),
        ] {
            for text in texts {
                assert_eq!(canonical(text), spelling, "{text}");
            }
        }
    }

    #[test]
    fn large_numbers_keep_every_digit() {
        let digits = "12345678901234567890123456789012345678901";
        assert_eq!(canonical(digits), digits);
    }

    #[test]
    fn numbers_beyond_numeric_are_refused() {
        for good in ["1e131071", "1e-16383", "-9e131071"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["1e131072", "1e-16384", "1e999999", "1e99999999999999999999"] {
            assert!(parse(bad).unwrap_err().problem.contains("numeric"), "{bad}");
        }
    }

    #[test]
    fn keys_are_sorted_and_the_last_of_equal_keys_counts() {
        assert_eq!(
            canonical(r#"{"b": 1, "a": [true, null, "x"], "b": 2}"#),
            r#"{"a":[true,null,"x"],"b":2}"#
        );
    }

    #[test]
    fn a_magic_key_is_an_ordinary_key() {
        let text = r#"{"$serde_json::private::Number":"1"}"#;
        assert_eq!(canonical(text), text);
    }

    #[test]
    fn control_characters_and_quotes_are_escaped() {
        assert_eq!(canonical(r#""a\"\\\n\u0085é""#), r#""a\"\\\u000a\u0085é""#);
    }

    #[test]
    fn what_jsonb_cannot_store_is_refused() {
        for bad in [
            r#""\u0000""#,
            r#"{"a":{"\u0000":1}}"#,
            r#"["\ud800"]"#,
            r#"{"\udc00":1}"#,
        ] {
            assert_eq!(parse(bad).unwrap_err().field, "data.content", "{bad}");
        }
    }

    #[test]
    fn nesting_is_refused_at_the_limit() {
        let nest = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&nest(MAX_DEPTH - 1)).is_ok());
        for levels in [MAX_DEPTH, 10_000] {
            let error = parse(&nest(levels)).unwrap_err();
            assert!(error.problem.contains("nested deeper"), "{error}");
        }
    }
}
