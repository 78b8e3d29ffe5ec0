use super::*;

fn read_with(text: &str, environment: &[(&str, &str)]) -> Result<Parameters, String> {
    read(text, |name| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn said(text: &str, environment: &[(&str, &str)]) -> Vec<(&'static str, String)> {
    let read = read_with(text, environment);
    read.expect("a connection string").into_iter().collect()
}

fn expected(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let mut pairs: Vec<_> = pairs.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
    pairs.sort();
    pairs
}

#[test]
fn both_forms_say_the_same() {
    let wanted = expected(&[
        ("user", "in gest"),
        ("password", "p@s's\\/"),
        ("host", "one,::1"),
        ("port", "5433,"),
        ("dbname", "app"),
        ("sslmode", "verify-full"),
    ]);
    for text in [
        "postgres://in%20gest:p%40s%27s%5C%2F@one:5433,[::1]/app?sslmode=verify-full",
        "postgresql://in%20gest:p@s's\\%2F@one:5433,[::1]/app?sslmode=verify-full",
        "user='in gest' password = p@s\\'s\\\\/ host=one,::1  port=5433, dbname=app sslmode=verify-full ",
    ] {
        assert_eq!(said(text, &[]), wanted, "{text}");
    }
}

#[test]
fn the_connection_string_beats_the_environment() {
    let environment = [
        ("PGHOST", "env"),
        ("PGUSER", "env"),
        ("PGSSLMODE", "require"),
        ("PGDATABASE", ""),
    ];
    let wanted = expected(&[("host", "here"), ("user", "env"), ("sslmode", "disable")]);
    assert_eq!(
        said("postgres://here?sslmode=disable", &environment),
        wanted
    );
    assert_eq!(said("host=here sslmode=disable", &environment), wanted);
    let wanted = expected(&[("host", "env"), ("user", "env"), ("sslmode", "require")]);
    assert_eq!(said("", &environment), wanted);
}

#[test]
fn what_would_be_laxer_without_is_refused_by_name() {
    for name in REFUSED {
        let error = read_with("host=a", &[(name, "x")]).expect_err("refused");
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn no_error_quotes_a_value() {
    for text in [
        "postgres://u:hunter2@h/d?hunter=x",
        "postgres://u:hunter2%ff@h/d",
        "user=u password='hunter2",
        "user=u password=hunter2 hun",
        "postgres://u:hunter2@h/d?x",
        // Not quoted, not encoded: pieces of it look like names.
        "user=u password=my hunter2='pw",
        "postgres://u:pa?hunter2=w%ff@h/d",
    ] {
        let error = read_with(text, &[]).expect_err("refused");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
