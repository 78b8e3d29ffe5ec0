//! `docs/METRICS.md` against what is built on it: the dashboard and the alerts use what it lists, all of it, as what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use deed_tests::spawn::run;
use deed_tests::stage::{PLACE, run_folder};
use serde_json::{Value, json};

use expression::Word;
use listed::{Series, metrics, series};

mod expression;
mod listed;

/// Labels that Prometheus adds.
const ADDED: [&str; 2] = ["job", "instance"];

fn read(file: &str) -> String {
    fs::read_to_string(PLACE.root.join(file)).expect(file)
}

/// What an expression, with the texts beside it, says of metrics that the page does not; adds those that it uses.
fn problems(
    expression: &str,
    beside: &str,
    series: &BTreeMap<String, Series>,
    used: &mut BTreeSet<String>,
) -> Vec<String> {
    let mut problems = Vec::new();
    let mut labels: BTreeSet<&str> = ADDED.into_iter().collect();
    let mut of_answer = Vec::new();
    for word in expression::words(expression) {
        match word {
            Word::Metric {
                name,
                matched,
                under,
            } => {
                let Some(known) = series.get(name) else {
                    problems.push(format!("{name} is not listed"));
                    continue;
                };
                used.insert(known.metric.clone());
                if known.counts != matches!(under, Some("rate" | "increase")) {
                    problems.push(format!("{name} under {under:?}"));
                }
                labels.extend(known.labels.iter().map(String::as_str));
                for label in matched {
                    if !known.labels.contains(label) && !ADDED.contains(&label) {
                        problems.push(format!("{name} has no label {label}"));
                    }
                }
            }
            Word::Grouped(label) => of_answer.push(label),
        }
    }
    of_answer.extend(expression::placeholders(beside));
    for label in of_answer {
        if !labels.contains(label) {
            problems.push(format!("nothing here has a label {label}"));
        }
    }
    problems
}

fn all<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| all(item, key, found)),
        Value::Object(members) => {
            if members.contains_key(key) {
                found.push(value);
            }
            members.values().for_each(|member| all(member, key, found));
        }
        _ => {}
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/grafana/deed.json")).expect("JSON")
}

#[test]
fn the_dashboard_shows_every_metric_by_its_labels() {
    let (dashboard, series) = (dashboard(), series());
    let (mut targets, mut used, mut wrong) = (Vec::new(), BTreeSet::new(), Vec::new());
    all(&dashboard["panels"], "expr", &mut targets);
    for target in &targets {
        let expression = target["expr"].as_str().expect("a text");
        let legend = target["legendFormat"].as_str().expect("a text");
        for problem in problems(expression, legend, &series, &mut used) {
            wrong.push(format!("{expression}: {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let listed: BTreeSet<String> = metrics().into_keys().collect();
    let hidden: Vec<_> = listed.difference(&used).collect();
    assert!(hidden.is_empty(), "not shown: {hidden:?}");

    // Each panel asks the source that the reader chose, in its own place.
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].to_string()).collect();
    assert_eq!(ids.len(), panels.len(), "an id twice");
    let mut sources = Vec::new();
    all(&dashboard["panels"], "datasource", &mut sources);
    let chosen = |source: &&Value| source["datasource"]["uid"] == json!("${datasource}");
    assert!(sources.iter().all(chosen) && sources.len() > targets.len());
    let variables = dashboard["templating"]["list"].as_array().expect("a list");
    let names: Vec<_> = variables.iter().map(|variable| &variable["name"]).collect();
    assert_eq!(names, ["datasource", "job", "topic"]);
}

#[test]
fn prometheus_understands_the_dashboard() {
    let dashboard = dashboard();
    let mut targets = Vec::new();
    all(&dashboard["panels"], "expr", &mut targets);
    let rule = |(n, target): (usize, &&Value)| {
        let expression = target["expr"].as_str().expect("a text");
        // Grafana puts its variables in; those of topic and job stand in quotes.
        let expression = expression.replace("$__rate_interval", "5m");
        json!({ "record": format!("panel:{n}"), "expr": expression })
    };
    let rules: Vec<Value> = targets.iter().enumerate().map(rule).collect();
    let file = run_folder().join("dashboard.yml");
    // JSON is YAML.
    let text = json!({ "groups": [{ "name": "dashboard", "rules": rules }] }).to_string();
    fs::write(&file, text).expect("written");
    let told = check_rules(&file).expect("understood");
    assert!(
        told.contains(&format!("{} rules found", rules.len())),
        "{told}"
    );
}

fn check_rules(file: &Path) -> Result<String, String> {
    let mut promtool = Command::new(PLACE.promtool());
    run(promtool.args(["check", "rules"]).arg(file), None)
}

/// An alert, of a file that promtool has read: name, expression, and the text of its annotations.
fn alerts() -> Vec<(String, String, String)> {
    let mut alerts: Vec<(String, String, String)> = Vec::new();
    let mut key = String::new();
    for line in read("deploy/prometheus/alerts.yml").lines() {
        if let Some(name) = line.strip_prefix("      - alert: ") {
            alerts.push((name.to_owned(), String::new(), String::new()));
        }
        // A key of the alert itself; what is indented further belongs to the last one.
        if let Some((name, _)) = line
            .strip_prefix("        ")
            .filter(|rest| !rest.starts_with(' '))
            .and_then(|rest| rest.split_once(':'))
        {
            key = name.to_owned();
        }
        let Some((_, expression, annotations)) = alerts.last_mut() else {
            continue;
        };
        let into = match key.as_str() {
            "expr" => expression,
            "annotations" => annotations,
            _ => continue,
        };
        into.push_str(line.trim().trim_start_matches("expr:"));
        into.push('\n');
    }
    alerts
}

#[test]
fn each_alert_uses_what_is_listed_and_has_a_next_step() {
    let (series, mut used) = (series(), BTreeSet::new());
    let (page, tests) = (
        read("docs/OPERATIONS.md"),
        read("deploy/prometheus/alerts_test.yml"),
    );
    let alerts = alerts();
    assert_eq!(alerts.len(), 10);
    for (name, expression, annotations) in &alerts {
        assert!(!expression.trim().is_empty(), "{name}");
        let wrong = problems(expression, annotations, &series, &mut used);
        assert!(wrong.is_empty(), "{name}: {wrong:?}");
        for key in ["summary:", "description:"] {
            assert!(annotations.contains(key), "{name} has no {key}");
        }
        let anchor = format!(
            "runbook: docs/OPERATIONS.md#{}\n",
            name.to_ascii_lowercase()
        );
        assert!(annotations.contains(&anchor), "{name}: {anchor}");
        assert!(page.contains(&format!("\n### {name}\n")), "{name}");
        // One that fires, and one that doesn't.
        assert!(
            tests.contains(&format!("- alertname: {name}\n")),
            "{name} fires in no test"
        );
        assert!(
            tests.contains(&format!("alertname: {name}, eval_time: 50m")),
            "{name} keeps still in no test"
        );
    }
    assert!(used.len() >= alerts.len(), "{used:?}");
}

/// What this looks for, it finds.
#[test]
fn what_is_not_listed_is_found() {
    let series = series();
    for (expression, legend, problem) in [
        ("sum(deed_invented)", "", "deed_invented is not listed"),
        (
            "deed_ready{topic=\"deed_ready\"}",
            "",
            "deed_ready has no label topic",
        ),
        ("deed_rebalances_total", "", "under None"),
        ("rate(deed_ready[5m])", "", "under Some(\"rate\")"),
        (
            "max by (state) (deed_ready)",
            "",
            "nothing here has a label state",
        ),
        ("deed_ready", "{{topic}}", "nothing here has a label topic"),
        ("rate(deed_batch_seconds[5m])", "", "is not listed"),
    ] {
        let found = problems(expression, legend, &series, &mut BTreeSet::new());
        assert!(
            found.len() == 1 && found[0].contains(problem),
            "{expression}: {found:?}"
        );
    }
}
