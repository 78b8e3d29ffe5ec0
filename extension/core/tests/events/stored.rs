//! Versions as 0.1.0 stored them: what changes their bytes would take each replayed event for another.

use data_encoding::HEXLOWER;
use deed_core::event::Event;
use deed_core::version::Instant;

fn stored(text: &str) -> String {
    let latest = Instant::parse("latest", "9999-01-01T00:00:00Z").unwrap();
    let event = Event::from_structured(text, latest).unwrap();
    HEXLOWER.encode(event.version.as_bytes())
}

#[test]
fn the_bytes_of_a_version_are_those_of_0_1_0() {
    let created = r#"{"specversion":"1.0","id":"1","source":"/app","type":"document.created",
        "subject":"0b5f6b3a-2f3e-4d52-9d2f-6f0a3c1e7a11","time":"2026-01-31T09:30:00.123456789Z",
        "data":{"created_by":"7C9E6679-7425-40de-944b-e07fc1f90ae7","title":"Plän","unknown":1,
          "metadata":{"b":1.50,"a":[1e2,-0]},"content":null}}"#;
    let granted = r#"{"specversion":"1.0","id":"é","source":"s","sequence":7,
        "type":"permission.granted","subject":"0b5f6b3a-2f3e-4d52-9d2f-6f0a3c1e7a11",
        "time":"1969-12-31T23:59:59+01:00",
        "data":{"recipient":"everyone","level":"editor","expires_at":"2030-01-01T00:00:00Z",
          "granted_by":"7c9e6679-7425-40de-944b-e07fc1f90ae7"}}"#;
    let registered = r#"{"specversion":"1.0","id":"1","source":"/app","sequence":"",
        "type":"principal.registered","subject":"7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "time":"2026-01-31T09:30:00Z","data":{"kind":"anonymous","name":null,
          "token_sha256":"ABababababababababababababababababababababababababababababababab"}}"#;
    assert_eq!(
        [created, granted, registered].map(stored),
        [
            "80000000697dcb98075bcd150031002f61707000dfe929ec0965c3ee68d5cbdaadfcd4e0b5d2c5e7299c45b2dcc0a778ac931c27",
            "7ffffffffffff1ef00000000013700c3a9007300cd0477dbd919a44f6c95a2a68278a7e8d94ee71adc7ac17b48e63953f6f27e52",
            "80000000697dcb9800000000010031002f617070008d3e5482c3ec8a19809e246f62a8c9ec02bac553bdbea8fb07c0b168648b52b9",
        ]
    );
}
