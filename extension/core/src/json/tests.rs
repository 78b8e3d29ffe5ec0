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
fn numbers_that_could_not_be_printed_are_refused() {
    let many = |count: usize| format!("[{}]", vec!["1e131071"; count].join(","));
    assert!(parse(&many(128)).is_ok());
    let error = parse(&many(129)).unwrap_err();
    assert!(error.problem.contains("digits in all"), "{error}");
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
    assert_eq!(
        canonical(r#""a\"\\\n\u007fé""#),
        "\"a\\\"\\\\\\u000a\u{7f}é\""
    );
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
