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
    assert_eq!(config.database.get_user(), Some("file"));
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
