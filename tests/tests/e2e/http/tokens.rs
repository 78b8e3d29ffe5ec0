//! Bearer tokens: which hold, and by which keys.

use data_encoding::BASE64URL_NOPAD;
use deed_tests::event::{Clock, Event, id};
use deed_tests::owner::Owner;
use deed_tests::postgres::connect;
use deed_tests::postgrest::Request;
use deed_tests::postgrest::token::{claims, sign, sign_with};
use deed_tests::stage::{JWT_SECRET, Line};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::pkcs8::EncodePrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::rand_core::OsRng;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};

use super::{Findings, MINUTE, Scene, either, who};

const CHECK: &str = "/rpc/has_permission?document=D1&level=viewer";

/// Changed in one claim; none is without it.
fn with(name: &str, value: Option<Value>) -> Value {
    let mut claims = claims("deed_user", Some(who("alice")), MINUTE);
    match value {
        Some(value) => claims[name] = value,
        None => drop(claims.as_object_mut().map(|claims| claims.remove(name))),
    }
    claims
}

fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let header = json!({ "typ": "JWT", "alg": "none" });
    format!("{}.{}.", part(&header), part(claims))
}

#[test]
fn only_complete_tokens_of_the_secret_hold() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    let hs256 = |claims: Value| sign(JWT_SECRET, &claims);
    let whole = claims("deed_user", Some(who("alice")), MINUTE);
    let no_role = with("role", None);
    for held in [
        whole.clone(),
        no_role,
        with("aud", Some(json!(["else", "deed"]))),
    ] {
        let bearer = hs256(held);
        findings.gives(&bearer, &scene.get(Some(&bearer), CHECK), &json!(true));
    }
    // Refused by Deed: PostgREST does not ask that a claim be there.
    let refused = [
        ("aud", None, "token: claim aud"),
        ("aud", Some(Value::Null), "token: claim aud"),
        ("exp", None, "token: claim exp"),
        ("exp", Some(Value::Null), "token: claim exp"),
        ("sub", None, "token: claim sub is missing"),
        ("sub", Some(Value::Null), "token: claim sub is missing"),
        ("sub", Some(json!("alice")), "token: claim sub is wrong"),
        ("sub", Some(json!("")), "token: claim sub is wrong"),
        (
            "role",
            Some(json!("deed_authenticator")),
            "token: claim role",
        ),
    ];
    for (claim, value, message) in refused {
        let bearer = hs256(with(claim, value));
        findings.refuses(
            message,
            &scene.get(Some(&bearer), CHECK),
            401,
            "PT401",
            message,
        );
    }
    for empty in [
        json!({}),
        json!({ "role": "deed_anon" }),
        json!({ "role": "deed_service" }),
    ] {
        let answer = scene.get(Some(&hs256(empty.clone())), CHECK);
        findings.refuses(
            &empty.to_string(),
            &answer,
            401,
            "PT401",
            "token: claim aud",
        );
    }
    let incomplete = scene.get(Some(&hs256(with("aud", None))), CHECK);
    let challenge = incomplete.header("www-authenticate");
    findings.expect(
        &format!("{challenge:?}"),
        challenge.as_deref() == Some("Bearer"),
    );
    for header in ["Basic eDp5".to_owned(), hs256(whole.clone())] {
        let request = Request::get(&Scene::path(CHECK)).header("Authorization", &header);
        findings.refuses(
            &header,
            &scene.ask(request),
            401,
            "PT401",
            "token: expected the header",
        );
    }
    // Refused by PostgREST; in later versions unseen.
    let (wrong_claim, no_such_role) = (either("PGRST301", "PGRST303"), either(400, 401));
    let hs512 = Header::new(Algorithm::HS512);
    let key = EncodingKey::from_secret(JWT_SECRET.as_bytes());
    let mut forged = hs256(whole.clone());
    forged.replace_range(forged.len() - 4.., "AAAA");
    let [head, _, seal] = <[&str; 3]>::try_from(forged.split('.').collect::<Vec<_>>()).expect("3");
    let other = BASE64URL_NOPAD.encode(
        whole
            .to_string()
            .replace("deed_user", "deed_service")
            .as_bytes(),
    );
    let tokens = [
        (hs256(with("aud", Some(json!("other")))), 401, wrong_claim),
        (
            hs256(with("exp", Some(json!(1_000_000_000)))),
            401,
            wrong_claim,
        ),
        (
            hs256(with("nbf", Some(json!(4_000_000_000_u64)))),
            401,
            wrong_claim,
        ),
        (
            sign("another secret of 32 characters or more", &whole),
            401,
            "PGRST301",
        ),
        (unsigned(&whole), 401, "PGRST301"),
        (format!("{head}.{other}.{seal}"), 401, "PGRST301"),
        (forged.clone(), 401, "PGRST301"),
        ("no.token.atall".to_owned(), 401, "PGRST301"),
        ("x".repeat(3000), 401, "PGRST301"),
        (hs256(with("role", Some(json!("postgres")))), 403, "42501"),
        (hs256(with("role", Some(json!("deed_api")))), 403, "42501"),
        (
            hs256(with("role", Some(json!("deed_consumer")))),
            403,
            "42501",
        ),
        (
            hs256(with("role", Some(json!("deed_operator")))),
            403,
            "42501",
        ),
        (
            hs256(with("role", Some(json!("pg_read_all_data")))),
            403,
            "42501",
        ),
        (
            hs256(with("role", Some(json!("nobody; RESET ROLE")))),
            no_such_role,
            "22023",
        ),
    ];
    for (bearer, status, code) in tokens {
        findings.refuses(&bearer, &scene.get(Some(&bearer), CHECK), status, code, "");
    }
    // Refused by PostgREST 12, and by Deed where PostgREST lets it pass.
    for sub in [
        json!(1),
        json!([who("alice")]),
        json!({ "id": who("alice") }),
        json!(true),
    ] {
        let answer = scene.get(Some(&hs256(with("sub", Some(sub.clone())))), CHECK);
        findings.expect(&format!("{sub}: {answer:?}"), answer.status == 401);
    }
    // Stronger than asked for, with the right secret.
    let bearer = sign_with(&hs512, &key, &whole);
    let status = scene.get(Some(&bearer), CHECK).status;
    findings.expect(&format!("HS512: {status}"), [200, 401].contains(&status));
}

/// A key set with a key of each kind, as an identity provider publishes it.
#[test]
fn keys_of_a_jwks_hold() {
    let [alice, plan] = ["alice", "plan"].map(id);
    let line = Line::shared("http_jwks", 1);
    let login = connect(&line.postgres.consumer_url(&line.name)).expect("a login");
    let mut owner = Owner::claim(login, 0).expect("claimed");
    let created: Event = Clock::default().created(plan, alice, "Plan");
    owner.apply(&[created.structured()]).expect("applied");

    let rsa_key = rsa::RsaPrivateKey::new(&mut OsRng, 2048).expect("a key");
    let ec_key = p256::SecretKey::random(&mut OsRng);
    let base64 = |bytes: Vec<u8>| BASE64URL_NOPAD.encode(&bytes);
    let mut ec_jwk: Value =
        serde_json::from_str(&ec_key.public_key().to_jwk_string()).expect("JSON");
    ec_jwk["kid"] = json!("ec");
    ec_jwk["alg"] = json!("ES256");
    let modulus = base64(rsa_key.n().to_bytes_be());
    let rsa_jwk = json!({ "kty": "RSA", "kid": "rsa", "alg": "RS256", "use": "sig",
        "n": modulus, "e": base64(rsa_key.e().to_bytes_be()) });
    let http = line.postgrest_trusting(&json!({ "keys": [rsa_jwk, ec_jwk] }).to_string());

    let der = rsa_key.to_pkcs1_der().expect("DER");
    let rs256 = EncodingKey::from_rsa_der(der.as_bytes());
    let der = ec_key.to_pkcs8_der().expect("DER");
    let es256 = EncodingKey::from_ec_der(der.as_bytes());
    let other = rsa::RsaPrivateKey::new(&mut OsRng, 2048).expect("a key");
    let der = other.to_pkcs1_der().expect("DER");
    let stranger = EncodingKey::from_rsa_der(der.as_bytes());
    // The public key taken for a secret, which whoever reads the key set could do.
    let confused = EncodingKey::from_secret(modulus.as_bytes());
    let whole = claims("deed_user", Some(alice), MINUTE);
    let header = |algorithm, kid: &str| Header {
        kid: Some(kid.to_owned()),
        ..Header::new(algorithm)
    };
    let check = format!("/rpc/has_permission?document={plan}&level=owner");
    let mut findings = Findings::default();
    for (algorithm, kid, key) in [
        (Algorithm::RS256, "rsa", &rs256),
        (Algorithm::ES256, "ec", &es256),
    ] {
        let bearer = sign_with(&header(algorithm, kid), key, &whole);
        let answer = http.get(&check, Some(&bearer)).expect("an answer");
        findings.gives(kid, &answer, &json!(true));
        let mut late = whole.clone();
        late["exp"] = json!(1_000_000_000);
        let bearer = sign_with(&header(algorithm, kid), key, &late);
        let answer = http.get(&check, Some(&bearer)).expect("an answer");
        findings.refuses(kid, &answer, 401, either("PGRST301", "PGRST303"), "");
        let mut endless = whole.clone();
        drop(endless.as_object_mut().map(|claims| claims.remove("exp")));
        let bearer = sign_with(&header(algorithm, kid), key, &endless);
        let answer = http.get(&check, Some(&bearer)).expect("an answer");
        findings.refuses(kid, &answer, 401, "PT401", "token: claim exp");
    }
    let refused = [
        sign_with(&header(Algorithm::RS256, "rsa"), &stranger, &whole),
        sign_with(&header(Algorithm::HS256, "rsa"), &confused, &whole),
        sign(JWT_SECRET, &whole),
        unsigned(&whole),
    ];
    for bearer in refused {
        let answer = http.get(&check, Some(&bearer)).expect("an answer");
        findings.refuses(&bearer, &answer, 401, "PGRST301", "");
    }
}
