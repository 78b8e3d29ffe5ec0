//! JSON web tokens.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use uuid::Uuid;

/// A token with exactly these claims.
pub fn sign(secret: &str, claims: &Value) -> String {
    sign_with(
        &Header::default(),
        &EncodingKey::from_secret(secret.as_bytes()),
        claims,
    )
}

/// The same, with a key and a header of one's own.
pub fn sign_with(header: &Header, key: &EncodingKey, claims: &Value) -> String {
    encode(header, claims, key).expect("claims made here are JSON")
}

/// The claims of a complete token for a principal: it lasts `valid` from now.
pub fn claims(role: &str, principal: Option<Uuid>, valid: Duration) -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let expires = now.unwrap_or_default() + valid;
    let mut claims = json!({ "role": role, "aud": "deed", "exp": expires.as_secs() });
    if let Some(principal) = principal {
        claims["sub"] = json!(principal);
    }
    claims
}

/// A complete token for a principal.
pub fn token(secret: &str, role: &str, principal: Option<Uuid>, valid: Duration) -> String {
    sign(secret, &claims(role, principal, valid))
}
