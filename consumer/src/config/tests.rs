use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const COMPLETE: &str = "database_url = \"postgres://file@f/f\"\nkafka_bootstrap = \"file:1\"\n";

fn load(file: Option<&str>, environment: &[(&str, &str)], flags: &Flags) -> Result<Config, String> {
    static FILES: AtomicU32 = AtomicU32::new(0);
    let path = std::env::temp_dir().join(format!(
        "deed-config-{}-{}.toml",
        std::process::id(),
        FILES.fetch_add(1, Ordering::Relaxed)
    ));
    if let Some(text) = file {
        fs::write(&path, text).expect("the temporary folder is writable");
    }
    let environment = environment
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()));
    let loaded = layered(file.map(|_| path.as_path()), environment, flags);
    if file.is_some() {
        fs::remove_file(&path).expect("written above");
    }
    loaded.map_err(|error| error.to_string())
}

fn refused(file: &str, environment: &[(&str, &str)]) -> String {
    load(
        Some(&format!("{COMPLETE}{file}")),
        environment,
        &Flags::default(),
    )
    .expect_err("refused")
}

#[test]
fn what_nothing_sets_has_its_default() {
    let config = load(Some(COMPLETE), &[], &Flags::default()).expect("complete");
    assert_eq!(config.group, "deed");
    assert_eq!(config.topics, ["documents", "principals", "permissions"]);
    assert!(config.kafka.is_empty());
}

#[test]
fn a_flag_beats_the_environment_beats_the_file() {
    let file = format!("{COMPLETE}group = \"file\"\ntopics = [\"file\"]");
    let environment = [
        ("KAFKA_BOOTSTRAP", "env:1"),
        ("GROUP", "env"),
        ("TOPICS", "one, two"),
    ];
    let flags = Flags {
        group: Some("flag".into()),
        ..Flags::default()
    };
    let config = load(Some(&file), &environment, &flags).expect("complete");
    assert_eq!(config.database.to_string(), "file@f:5432/f");
    assert_eq!(config.kafka_bootstrap, "env:1");
    assert_eq!(config.topics, ["one", "two"]);
    assert_eq!(config.group, "flag");
}

#[test]
fn the_environment_is_text_whatever_it_looks_like() {
    let environment = [
        ("GROUP", "7"),
        ("TOPICS", "true"),
        ("DATABASE_URL", "host=a user=[x]"),
        ("KAFKA_BOOTSTRAP", "1.5"),
    ];
    let config = load(None, &environment, &Flags::default()).expect("complete");
    assert_eq!(config.group, "7");
    assert_eq!(config.topics, ["true"]);
    assert_eq!(config.kafka_bootstrap, "1.5");
}

#[test]
fn a_missing_key_says_the_three_ways_to_give_it() {
    let flags = Flags {
        kafka_bootstrap: Some("k:1".into()),
        ..Flags::default()
    };
    let error = load(None, &[], &flags).expect_err("no database_url");
    for way in ["database_url = ", "DEED_DATABASE_URL", "--database-url"] {
        assert!(error.contains(way), "{error}");
    }
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    let error = refused("grup = \"x\"", &[]);
    assert!(
        error.contains("unknown key grup") && error.contains(".toml"),
        "{error}"
    );
    let error = refused("", &[("FOO", "x")]);
    assert!(
        error.contains("unknown key DEED_FOO in the environment"),
        "{error}"
    );
    let error = refused("", &[("KAFKA", "{}")]);
    assert!(error.contains("DEED_KAFKA"), "{error}");
}

#[test]
fn a_wrong_type_names_its_key() {
    let error = refused("group = 7", &[]);
    assert!(error.contains("group"), "{error}");
    let error = refused("topics = 5", &[]);
    assert!(error.contains("topics: expected names"), "{error}");
    let error = refused("[kafka]\n\"fetch.max.bytes\" = 1.5", &[]);
    assert!(error.contains("fetch.max.bytes"), "{error}");
}

#[test]
fn librdkafka_keys_are_taken_quoted_and_dotted() {
    let file = format!(
        "{COMPLETE}[kafka]\n\"session.timeout.ms\" = 6000\nclient.rack = \"a\"\nsocket.keepalive.enable = true"
    );
    let config = load(Some(&file), &[], &Flags::default()).expect("complete");
    let given: Vec<_> = config
        .kafka
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        given,
        [
            ("client.rack", "a"),
            ("session.timeout.ms", "6000"),
            ("socket.keepalive.enable", "true")
        ]
    );
}

#[test]
fn what_exactly_once_and_order_rest_on_cannot_be_set() {
    for key in [
        "enable.auto.commit",
        "enable.auto.offset.store",
        "auto.offset.reset",
        "group.id",
        "bootstrap.servers",
        "enable.partition.eof",
        "transactional.id",
        "transaction.timeout.ms",
        "enable.idempotence",
        "acks",
        "isolation.level",
        "check.crcs",
        "partitioner",
        "statistics.interval.ms",
    ] {
        for spelled in [format!("\"{key}\""), key.to_owned()] {
            let error = refused(&format!("[kafka]\n{spelled} = \"x\""), &[]);
            assert!(error.contains(key), "{error}");
        }
    }
}

#[test]
fn topics_are_plain_names() {
    for topics in ["", "a,,b", "^a.*", "a b", "a,a"] {
        let error = refused("", &[("TOPICS", topics)]);
        assert!(error.contains("topics"), "{error}");
    }
}

#[test]
fn a_password_stays_out_of_the_message() {
    let error = refused("", &[("DATABASE_URL", "postgres://u:hunter2@h:port/d")]);
    assert!(
        error.contains("database_url") && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn librdkafka_keys_come_from_the_environment_too_and_beat_the_file() {
    let file = format!("{COMPLETE}[kafka]\nsasl.username = \"file\"\n\"client.rack\" = \"a\"");
    let environment = [("KAFKA_SASL_USERNAME", "env"), ("KAFKA_SASL_PASSWORD", "s")];
    let config = load(Some(&file), &environment, &Flags::default()).expect("complete");
    assert_eq!(config.kafka["sasl.username"], "env");
    assert_eq!(config.kafka["sasl.password"], "s");
    assert_eq!(config.kafka["client.rack"], "a");
    let error = refused("", &[("KAFKA_GROUP_ID", "x")]);
    assert!(error.contains("group.id"), "{error}");
}

#[test]
fn a_secret_is_read_from_a_file() {
    let path = std::env::temp_dir().join(format!("deed-secret-{}", std::process::id()));
    fs::write(&path, "postgres://anne:s3cret@h/d\n").expect("written");
    let name = path.to_str().expect("UTF-8");
    let config = load(
        None,
        &[("DATABASE_URL_FILE", name), ("KAFKA_BOOTSTRAP", "k:1")],
        &Flags::default(),
    )
    .expect("complete");
    let first = &config.database.hosts[0].config;
    assert_eq!(first.get_password(), Some(&b"s3cret"[..]));
    let both = refused("", &[("DATABASE_URL_FILE", name), ("DATABASE_URL", "x")]);
    assert!(
        both.contains("DEED_DATABASE_URL_FILE") && !both.contains("s3cret"),
        "{both}"
    );
    fs::remove_file(&path).expect("written above");
    let missing = refused("", &[("GROUP_FILE", name)]);
    assert!(missing.contains("DEED_GROUP_FILE"), "{missing}");
    let unknown = refused("", &[("FOO_FILE", "/dev/null")]);
    assert!(unknown.contains("DEED_FOO"), "{unknown}");
}

#[test]
fn errors_are_settings_of_kafka_connect() {
    let file = format!(
        "{COMPLETE}errors.tolerance = \"all\"\nerrors.deadletterqueue.topic.name = \"dead\"\n\
         errors.deadletterqueue.topic.replication.factor = 1\n[errors.deadletterqueue.context.headers]\nenable = true"
    );
    let errors = load(Some(&file), &[], &Flags::default())
        .expect("complete")
        .errors;
    assert!(errors.tolerant && errors.context_headers);
    assert_eq!(errors.dead_letters.as_deref(), Some("dead"));
    assert_eq!(errors.replication, 1);
    let environment = [("ERRORS_TOLERANCE", "none")];
    let errors = load(Some(COMPLETE), &environment, &Flags::default())
        .expect("complete")
        .errors;
    assert!(!errors.tolerant && errors.dead_letters.is_none());
    let flags = Flags {
        errors_tolerance: Some("all".into()),
        ..Flags::default()
    };
    let errors = load(Some(COMPLETE), &environment, &flags)
        .expect("complete")
        .errors;
    assert!(errors.tolerant);
}

#[test]
fn wrong_values_are_refused_with_what_was_expected() {
    for (setting, expected) in [
        ("errors.tolerance = \"some\"", "all or none"),
        ("errors.tolerence = \"all\"", "errors.tolerance"),
        (
            "errors.deadletterqueue.topic.replication.factor = 0",
            "1 or more",
        ),
        (
            "errors.deadletterqueue.context.headers.enable = \"yes\"",
            "true or false",
        ),
        ("errors.deadletterqueue.topic.name = \"a b\"", "topic name"),
        (
            "errors.deadletterqueue.topic.name = \"documents\"",
            "among topics",
        ),
        (
            "errors.tolerance = \"none\"\nerrors.deadletterqueue.topic.name = \"dead\"",
            "set it to all",
        ),
        ("http_listen = \"9464\"", "an address and a port"),
        ("log_format = \"xml\"", "text or json"),
        ("shutdown_timeout = 0", "whole seconds"),
        ("shutdown_timeout = \"soon\"", "whole seconds"),
    ] {
        let error = refused(setting, &[]);
        assert!(error.contains(expected), "{setting}: {error}");
    }
}

#[test]
fn the_printed_settings_are_a_file_without_secrets() {
    let file = "database_url = \"postgres://anne:hunter2@h1:1,h2:2/d\"\nkafka_bootstrap = \"k:1\"\n\
        errors.deadletterqueue.topic.name = \"dead\"\n[kafka]\n\"sasl.password\" = \"hunter2\"\n\
        \"ssl.key.pem\" = \"hunter2\"\n\"sasl.username\" = \"bob\"";
    let config = load(Some(file), &[], &Flags::default()).expect("complete");
    let printed = config.to_string();
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(
        printed.contains("bob") && printed.contains("host='h1,h2'"),
        "{printed}"
    );
    let again = load(Some(&printed), &[], &Flags::default()).expect("a file");
    assert_eq!(again.to_string(), printed);
}

#[test]
fn a_file_that_is_no_toml_is_told_by_its_line_alone() {
    let error = refused(
        "group = \"x\"\n[kafka]\nsasl.password = \"hunter2\\s\"",
        &[],
    );
    assert!(
        error.contains("line 5") && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn the_topic_of_events_out_is_none_to_read() {
    for setting in [
        "topics = [\"deed.events\"]",
        "errors.deadletterqueue.topic.name = \"deed.events\"",
    ] {
        let error = refused(setting, &[]);
        assert!(error.contains("deed.events is where"), "{error}");
    }
}
