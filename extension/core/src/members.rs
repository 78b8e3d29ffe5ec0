//! Typed access to the members of an event's `data`, and their canonical form for the digest.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::json::{Json, RawMembers};
use crate::version::Instant;
use crate::{EVERYONE, Level, RecipientKind, Rejection, USERS};

/// A member that may be left out, or set, or cleared by an explicit null.
pub type Change<T> = Option<Option<T>>;

/// Reads known members one by one and remembers each in canonical form.
pub struct Members<'a> {
    raw: RawMembers<'a>,
    known: BTreeMap<String, Json>,
}

impl<'a> Members<'a> {
    /// The members of `data`.
    pub fn new(raw: RawMembers<'a>) -> Self {
        Self {
            raw,
            known: BTreeMap::new(),
        }
    }

    /// What was read, for the digest.
    pub fn into_known(self) -> Json {
        Json::Object(self.known)
    }

    /// A principal that is not built in, such as a creator.
    pub fn principal(&mut self, name: &str) -> Result<Uuid, Rejection> {
        self.required(name, |field, json| unreserved(field, &text(field, json)?))
    }

    /// Whoever acted, where the event must carry the member but may say null for unknown.
    pub fn actor_or_null(&mut self, name: &str) -> Result<Option<Uuid>, Rejection> {
        self.optional(name, |field, json| uuid(field, &text(field, json)?))?
            .ok_or_else(|| Rejection::new(field(name), "missing, expected a uuid or null"))
    }

    /// Whoever acted, where the event may leave the member out; null and absent both mean unknown.
    pub fn actor_if_known(&mut self, name: &str) -> Result<Option<Uuid>, Rejection> {
        self.optional(name, |field, json| uuid(field, &text(field, json)?))
            .map(Option::flatten)
    }

    /// Whoever acted, where an event must say so.
    pub fn actor(&mut self, name: &str) -> Result<Uuid, Rejection> {
        self.required(name, |field, json| uuid(field, &text(field, json)?))
    }

    /// A recipient: a uuid, or the word of a built-in one.
    pub fn recipient(&mut self, name: &str) -> Result<Uuid, Rejection> {
        self.required(name, |field, json| match text(field, json)?.as_str() {
            "everyone" => Ok(EVERYONE),
            "users" => Ok(USERS),
            other => uuid(field, other)
                .map_err(|_| Rejection::expected(field, "a uuid, everyone or users", other)),
        })
    }

    /// A permission level.
    pub fn level(&mut self, name: &str) -> Result<Level, Rejection> {
        self.required(name, |field, json| {
            let word = text(field, json)?;
            Level::ALL
                .into_iter()
                .find(|level| level.word() == word)
                .ok_or_else(|| Rejection::expected(field, "viewer, editor or owner", &word))
        })
    }

    /// A kind of principal.
    pub fn kind(&mut self, name: &str) -> Result<RecipientKind, Rejection> {
        self.required(name, |field, json| {
            let word = text(field, json)?;
            RecipientKind::ALL
                .into_iter()
                .find(|kind| kind.word() == word)
                .ok_or_else(|| Rejection::expected(field, "user, anonymous or group", &word))
        })
    }

    /// Text that may be left out or cleared.
    pub fn text(&mut self, name: &str) -> Result<Change<String>, Rejection> {
        self.optional(name, text)
    }

    /// Any JSON that may be left out or cleared, as canonical text.
    pub fn json(&mut self, name: &str) -> Result<Change<String>, Rejection> {
        self.optional(name, |_, json| Ok(json.canonical()))
    }

    /// A JSON object that may be left out or cleared, as canonical text.
    pub fn object(&mut self, name: &str) -> Result<Change<String>, Rejection> {
        self.optional(name, |field, json| match json {
            Json::Object(_) => Ok(json.canonical()),
            _ => Err(wrong_type(field, "an object", json)),
        })
    }

    /// A time that may be left out; null and absent both mean never.
    pub fn time(&mut self, name: &str) -> Result<Option<Instant>, Rejection> {
        self.optional(name, |field, json| {
            Instant::parse(field, &text(field, json)?)
        })
        .map(Option::flatten)
    }

    /// A SHA-256 in hexadecimal digits that may be left out or cleared.
    pub fn sha256(&mut self, name: &str) -> Result<Change<[u8; 32]>, Rejection> {
        self.optional(name, |field, json| {
            let digits = text(field, json)?;
            data_encoding::HEXLOWER_PERMISSIVE
                .decode(digits.as_bytes())
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or_else(|| Rejection::expected(field, "64 hexadecimal digits", &digits))
        })
    }

    fn required<T: Canonical>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str, &Json) -> Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        let field = field(name);
        let raw = self
            .raw
            .get(name)
            .ok_or_else(|| Rejection::new(&field, "missing"))?;
        let value = read(&field, &Json::parse(&field, raw)?)?;
        self.known.insert(name.to_owned(), value.canonical());
        Ok(value)
    }

    fn optional<T: Canonical>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str, &Json) -> Result<T, Rejection>,
    ) -> Result<Change<T>, Rejection> {
        let field = field(name);
        let Some(raw) = self.raw.get(name) else {
            return Ok(None);
        };
        let json = Json::parse(&field, raw)?;
        if json == Json::Null {
            self.known.insert(name.to_owned(), Json::Null);
            return Ok(Some(None));
        }
        let value = read(&field, &json)?;
        self.known.insert(name.to_owned(), value.canonical());
        Ok(Some(Some(value)))
    }
}

/// The one spelling of a typed value that the digest sees.
trait Canonical {
    fn canonical(&self) -> Json;
}

impl Canonical for String {
    /// Text, and JSON values as their canonical text.
    fn canonical(&self) -> Json {
        Json::String(self.clone())
    }
}

impl Canonical for Uuid {
    fn canonical(&self) -> Json {
        Json::String(self.hyphenated().to_string())
    }
}

impl Canonical for Level {
    fn canonical(&self) -> Json {
        Json::String(self.word().to_owned())
    }
}

impl Canonical for RecipientKind {
    fn canonical(&self) -> Json {
        Json::String(self.word().to_owned())
    }
}

impl Canonical for Instant {
    fn canonical(&self) -> Json {
        Json::Number(self.unix_nanos().to_string())
    }
}

impl Canonical for [u8; 32] {
    fn canonical(&self) -> Json {
        Json::String(data_encoding::HEXLOWER.encode(self))
    }
}

fn field(name: &str) -> String {
    format!("data.{name}")
}

fn wrong_type(field: &str, expected: &str, found: &Json) -> Rejection {
    Rejection::new(
        field,
        format!("expected {expected}, found {}", found.kind()),
    )
}

fn text(field: &str, json: &Json) -> Result<String, Rejection> {
    match json {
        Json::String(text) => Ok(text.clone()),
        other => Err(wrong_type(field, "a string", other)),
    }
}

/// A uuid in its hyphenated form, in any case.
pub fn uuid(field: &str, text: &str) -> Result<Uuid, Rejection> {
    const HYPHENATED: usize = 36;
    (text.len() == HYPHENATED)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
        .ok_or_else(|| Rejection::expected(field, "a uuid", text))
}

/// A uuid that is none of the built-in recipients'.
pub fn unreserved(field: &str, text: &str) -> Result<Uuid, Rejection> {
    let id = uuid(field, text)?;
    match id == EVERYONE || id == USERS {
        true => Err(Rejection::new(
            field,
            "the id of a built-in recipient, which can only receive permissions",
        )),
        false => Ok(id),
    }
}
