//! The demo's story behind a PostgREST: the commands of the docs work as they stand, and the description in
//! `docs/openapi.json` is true.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::{LazyLock, Mutex};

use deed_tests::demo::{Addresses, TOPICS, story, variables};
use deed_tests::page::run_page;
use deed_tests::postgrest::PostgRest;
use deed_tests::postgrest::token::token;
use deed_tests::process::Process;
use deed_tests::spawn::run;
use deed_tests::stage::{JWT_SECRET, Line, PLACE, shared_kafka, shared_postgres};
use serde_json::Value;

use super::MINUTE;

/// Held while a page runs or the description is tried: pages change what others read.
static STORY: LazyLock<Mutex<Story>> = LazyLock::new(|| Mutex::new(Story::told()));

struct Story {
    line: Line<'static>,
    http: PostgRest,
    _consumer: Process,
}

impl Story {
    fn told() -> Self {
        let (kafka, postgres, name) = (shared_kafka(), shared_postgres(), "http_demo");
        // By the names that the examples know.
        for topic in TOPICS {
            kafka.create_topic(topic, 4).expect("a topic");
        }
        postgres.create_database(name).expect("a database");
        let line = Line {
            kafka,
            postgres,
            name: name.to_owned(),
            topics: TOPICS.map(str::to_owned).to_vec(),
        };
        let consumer = line.consumer("a");
        for (topic, event) in story() {
            kafka.send(topic, &[event.structured()]).expect("sent");
        }
        line.wait_until_applied();
        Self {
            http: line.postgrest(),
            line,
            _consumer: consumer,
        }
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let at = Addresses {
            postgres: self.line.postgres,
            database: &self.line.name,
            kafka_bootstrap: self.line.kafka.bootstrap(),
            rest_url: self.http.url(),
            jwt_secret: JWT_SECRET,
        };
        variables(&PLACE, &at)
    }

    fn variable(&self, name: &str) -> String {
        let mut variables = self.variables().into_iter();
        variables.find(|(known, _)| *known == name).expect(name).1
    }

    fn runs(&self, page: &str, client: &str, least: usize) {
        let text = fs::read_to_string(PLACE.root.join(page)).expect(page);
        let mut variables = self.variables();
        let python = PLACE.python("confluent-kafka").display().to_string();
        variables.push(("CLIENT", client.to_owned()));
        variables.push(("PYTHONPATH", python));
        variables.push(("PYTHONDONTWRITEBYTECODE", "1".to_owned()));
        let (differences, compared) = run_page(&PLACE.root, &text, &variables).expect(page);
        assert!(
            differences.is_empty(),
            "{page}, {client}:\n{}",
            differences.join("\n\n")
        );
        assert!(compared >= least, "{page}: {compared} fences compared");
    }
}

fn told() -> std::sync::MutexGuard<'static, Story> {
    STORY
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn the_commands_for_apps_work_as_they_stand() {
    told().runs("docs/APP.md", "java", 15);
}

#[test]
fn the_commands_for_producers_work_with_both_clients() {
    let story = told();
    for client in ["java", "python"] {
        story.runs("docs/PRODUCERS.md", client, 8);
    }
}

fn description() -> Value {
    let text = fs::read_to_string(PLACE.root.join("docs/openapi.json")).expect("docs/openapi.json");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn the_description_is_linted() {
    let mut spectral = Command::new(PLACE.spectral());
    spectral.current_dir(&PLACE.root).args([
        "lint",
        "--fail-severity=hint",
        "--ruleset=tests/openapi/spectral.json",
        "docs/openapi.json",
    ]);
    println!("{}", run(&spectral, None).expect("nothing to complain of"));
}

/// The routes that PostgREST itself describes, with their arguments, and no others.
#[test]
fn the_description_has_every_route_and_argument() {
    let story = told();
    let service = story.variable("DEMO_TOKEN_SERVICE");
    let served = story
        .http
        .get("/", Some(&service))
        .expect("an answer")
        .json();
    let ours = description();
    let paths = |description: &Value| -> BTreeSet<String> {
        let paths = description["paths"].as_object().expect("paths").keys();
        paths.filter(|path| *path != "/").cloned().collect()
    };
    assert_eq!(paths(&ours), paths(&served));
    for path in paths(&ours).iter().filter(|path| path.starts_with("/rpc/")) {
        let of_postgrest = served["paths"][path]["get"]["parameters"]
            .as_array()
            .expect("arguments");
        let named = |parameter: &Value| parameter["name"].as_str().map(str::to_owned);
        let expected: BTreeSet<String> = of_postgrest
            .iter()
            .filter_map(named)
            .filter(|name| name != "Prefer")
            .collect();
        let route = &ours["paths"][path];
        let found: BTreeSet<String> = match route["post"].as_object() {
            Some(_) => {
                let body = "/post/requestBody/content/application~1json/schema/properties";
                route
                    .pointer(body)
                    .and_then(Value::as_object)
                    .expect(path)
                    .keys()
                    .cloned()
                    .collect()
            }
            None => {
                let whole = |parameter: &Value| match parameter["$ref"].as_str() {
                    Some(target) => ours.pointer(&target[1..]).expect(target).clone(),
                    None => parameter.clone(),
                };
                let parameters = route["get"]["parameters"]
                    .as_array()
                    .expect(path)
                    .iter()
                    .map(whole);
                parameters
                    .filter(|parameter| parameter["in"] == "query")
                    .filter_map(|parameter| named(&parameter))
                    .collect()
            }
        };
        assert_eq!(found, expected, "{path}");
        let (ours, theirs) = (
            &route.as_object().expect(path).values().next().expect(path)["summary"],
            &served["paths"][path]["get"]["summary"],
        );
        assert_eq!(ours, theirs, "{path}");
    }
}

/// Requests that the description allows and requests that it doesn't, as each kind of caller.
#[test]
fn the_server_answers_as_described() {
    let story = told();
    let settings = PLACE.root.join("tests/openapi/schemathesis.toml");
    let schemathesis = PLACE.python("schemathesis");
    let anne = story.variable("DEMO_ANNE").parse().expect("a uuid");
    let service = token(JWT_SECRET, "deed_service", Some(anne), MINUTE);
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    let link = format!("Share-Link: {}", story.variable("DEMO_LINK_TOKEN"));
    // A position is waited for, which is tested elsewhere; this one is applied.
    let ends = story.line.kafka.ends("documents").expect("ends");
    let applied = ends.iter().position(|end| *end > 0).expect("a record");
    let position = format!("Deed-Position: documents:{applied}:0");
    for headers in [
        vec![bearer(&story.variable("DEMO_TOKEN_ANNE"))],
        vec![bearer(&story.variable("DEMO_TOKEN_BOB")), link],
        vec![bearer(&service)],
    ] {
        let mut tester = Command::new("python3");
        tester
            .env("PYTHONPATH", &schemathesis)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(std::env::temp_dir())
            .arg(schemathesis.join("bin/st"))
            .arg("--config-file")
            .arg(&settings)
            .args(["run", "--seed", "1", "--no-color"])
            .args(["--url", &story.http.url(), "--header", &position])
            .args(
                headers
                    .iter()
                    .flat_map(|header| ["--header", header.as_str()]),
            )
            .arg(PLACE.root.join("docs/openapi.json"));
        println!("{}", run(&tester, None).expect("as described"));
    }
}
