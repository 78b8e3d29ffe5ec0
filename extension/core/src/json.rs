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

/// Digits that all numbers of one member may have when printed. `1e131071` is eight bytes here and
/// 131,072 in Postgres' output, so a few thousand of them could never be read back or dumped.
const MAX_PRINTED_DIGITS: i64 = 1 << 24;

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
        let mut reader = Reader {
            field,
            digits_left: MAX_PRINTED_DIGITS,
        };
        // `data` is the first level, its members' values the second.
        reader.read(raw, 2)
    }

    /// The canonical text: keys sorted by bytes, no white space, numbers in one spelling.
    pub fn canonical(&self) -> String {
        let mut out = String::new();
        write(self, &mut out);
        out
    }

    /// The value of a number that is a 32-bit integer, however it is spelled.
    pub fn integer(&self) -> Option<i32> {
        let Json::Number(number) = self else {
            return None;
        };
        let (digits, power) = number.split_once('e').unwrap_or((number, "0"));
        let power = 10_i64.checked_pow(power.parse().ok()?)?;
        digits
            .parse::<i64>()
            .ok()?
            .checked_mul(power)?
            .try_into()
            .ok()
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

/// Reads one member's value.
struct Reader<'a> {
    field: &'a str,
    digits_left: i64,
}

impl Reader<'_> {
    fn read(&mut self, raw: &RawValue, depth: usize) -> Result<Json, Rejection> {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'n') => Ok(Json::Null),
            Some(b't') => Ok(Json::Bool(true)),
            Some(b'f') => Ok(Json::Bool(false)),
            Some(b'"') => {
                let text = serde_json::from_str(text).map_err(|error| self.unstorable(&error))?;
                string(self.field, text).map(Json::String)
            }
            Some(b'[') => {
                self.within_depth(depth)?;
                let items: Vec<&RawValue> =
                    serde_json::from_str(text).map_err(|error| self.unstorable(&error))?;
                let items = items.into_iter().map(|item| self.read(item, depth + 1));
                items.collect::<Result<_, _>>().map(Json::Array)
            }
            Some(b'{') => {
                self.within_depth(depth)?;
                let members = object(self.field, text)?.into_iter();
                let members = members.map(|(key, value)| {
                    Ok((string(self.field, key)?, self.read(value, depth + 1)?))
                });
                members.collect::<Result<_, Rejection>>().map(Json::Object)
            }
            _ => self.number(text).map(Json::Number),
        }
    }

    fn number(&mut self, text: &str) -> Result<String, Rejection> {
        let (spelling, printed) = number(self.field, text)?;
        self.digits_left -= printed;
        match self.digits_left < 0 {
            true => Err(Rejection::new(
                self.field,
                format!("its numbers have more than {MAX_PRINTED_DIGITS} digits in all"),
            )),
            false => Ok(spelling),
        }
    }

    fn within_depth(&self, depth: usize) -> Result<(), Rejection> {
        match depth > MAX_DEPTH {
            true => Err(Rejection::new(
                self.field,
                format!("nested deeper than {MAX_DEPTH} levels"),
            )),
            false => Ok(()),
        }
    }

    fn unstorable(&self, error: &serde_json::Error) -> Rejection {
        Rejection::new(self.field, format!("not storable: {error}"))
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

/// The one spelling, and how many digits it prints: `12.50` and `1.25e1` are `125e-1`; `-0.0` is `0`.
fn number(field: &str, text: &str) -> Result<(String, i64), Rejection> {
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
        return Ok(("0".to_owned(), 1));
    }
    let exponent: i64 = exponent.parse().map_err(|_| out_of_range())?;
    let dropped = (significant.len() - digits.len()) as i64;
    let power = exponent
        .checked_sub(fraction.len() as i64)
        .and_then(|power| power.checked_add(dropped))
        .ok_or_else(out_of_range)?;
    let whole_digits = power
        .checked_add(digits.len() as i64)
        .filter(|digits| *digits <= MAX_WHOLE_DIGITS && power >= -MAX_FRACTION_DIGITS)
        .ok_or_else(out_of_range)?;
    let spelling = match power {
        0 => format!("{sign}{digits}"),
        _ => format!("{sign}{digits}e{power}"),
    };
    Ok((spelling, whole_digits.max(1) - power.min(0)))
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
            // Others stay themselves: an escape would have to exist in the database's encoding.
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
