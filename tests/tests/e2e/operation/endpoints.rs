//! The endpoints of health and metrics.

use std::collections::BTreeSet;
use std::fs;

use deed_tests::consumer::get;
use deed_tests::event::{Clock, id, structured};
use deed_tests::process::wait_until;
use deed_tests::stage::{DEADLINE, Line, PLACE, own_postgres, shared_kafka};

use super::{metric, wait_for_answer};

#[test]
fn readiness_follows_postgres_and_life_does_not() {
    let postgres = own_postgres("endpoints", false);
    let line = Line::new(shared_kafka(), &postgres, "endpoints", &[("events", 1)]);
    postgres.stop().expect("stopped");
    let mut consumer = line.consumer("a");
    wait_for_answer(&mut consumer, "/readyz", 503, "[-] postgres: ");
    wait_for_answer(&mut consumer, "/startupz", 503, "[-] postgres: ");
    wait_for_answer(&mut consumer, "/livez", 200, "ok");
    postgres.start_again().expect("started");
    wait_for_answer(&mut consumer, "/readyz", 200, "ok");
    wait_for_answer(&mut consumer, "/startupz", 200, "ok");
    for line in [
        "[+] postgres: ok",
        "[+] kafka: ok",
        "[+] group: ok",
        "[+] relay: ok",
    ] {
        wait_for_answer(&mut consumer, "/readyz?verbose", 200, line);
    }
    assert_eq!(metric(&mut consumer, "deed_ready"), Some(1.0));
    postgres.stop().expect("stopped");
    wait_for_answer(&mut consumer, "/readyz", 503, "[-] postgres: ");
    wait_for_answer(&mut consumer, "/startupz?verbose", 200, "started");
    wait_for_answer(&mut consumer, "/livez?verbose", 200, "[+] polling: ");
    assert_eq!(metric(&mut consumer, "deed_ready"), Some(0.0));
}

/// Connected, and without an answer: a commit that waits for a standby that there is not.
#[test]
fn a_postgres_that_does_not_answer_makes_it_unready_and_lets_it_live() {
    let postgres = own_postgres("endpoints-silent", false);
    let line = Line::new(shared_kafka(), &postgres, "silent", &[("events", 1)]);
    let mut consumer = line.consumer("a");
    wait_for_answer(&mut consumer, "/readyz?verbose", 200, "[+] relay: ok");
    let mut admin = line.admin();
    let mut wait_for_standby = |name: &str| {
        let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'");
        admin.batch_execute(&set).expect("set");
        admin
            .batch_execute("SELECT pg_reload_conf()")
            .expect("loaded");
    };
    wait_for_standby("nobody");
    let mut clock = Clock::default();
    let created = clock.created(id("silent document"), id("silent anne"), "Silent");
    line.send(&[created.structured()]);
    for said in [
        "[-] relay: Postgres: no answer",
        "waiting: apply: no answer",
    ] {
        wait_for_answer(&mut consumer, "/readyz?verbose", 503, said);
    }
    // Its thread waits, and says that it does.
    wait_for_answer(
        &mut consumer,
        "/livez?verbose",
        200,
        "[+] relaying: last step 0 s ago",
    );
    wait_for_standby("");
    line.wait_until_applied();
    wait_for_answer(&mut consumer, "/readyz?verbose", 200, "[+] relay: ok");
}

#[test]
fn an_older_extension_is_named_with_the_next_step_until_it_is_updated() {
    let line = Line::shared("older_extension", 1);
    let mut client = line.admin();
    client
        .batch_execute("DROP EXTENSION deed CASCADE; CREATE EXTENSION deed VERSION '0.5.0'")
        .expect("older");
    let mut clock = Clock::default();
    let created = clock.created(id("older document"), id("older anne"), "Older");
    line.send(&[created.structured()]);
    let mut consumer = line.consumer("a");
    let said = wait_for_answer(&mut consumer, "/readyz", 503, "0.5.0 of the extension");
    assert!(said.contains("ALTER EXTENSION deed UPDATE"), "{said}");
    client
        .batch_execute("DROP EXTENSION deed; ")
        .expect("dropped");
    wait_for_answer(&mut consumer, "/readyz", 503, "CREATE EXTENSION deed");
    client
        .batch_execute("CREATE EXTENSION deed VERSION '0.5.0'; ALTER EXTENSION deed UPDATE")
        .expect("updated");
    line.postgres.apply_scripts(&line.name).expect("grants");
    line.wait_until_applied();
    wait_for_answer(&mut consumer, "/readyz", 200, "ok");
}

/// The names of the first column of the page's tables.
fn listed(page: &str) -> BTreeSet<String> {
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `deed_"));
    let name = |row: &str| Some(format!("deed_{}", row.split(['`', '{']).next()?));
    rows.filter_map(name).collect()
}

#[test]
fn the_page_lists_the_metrics_that_there_are() {
    let line = Line::shared("metrics", 1);
    let mut spec = line.consumer_spec("a");
    spec.settings = "errors.tolerance = \"all\"\n".to_owned();
    let mut clock = Clock::default();
    let mut client = line.admin();
    let created = clock.created(id("metrics document"), id("metrics anne"), "Metrics");
    line.send(&[
        created.structured(),
        created.structured(),
        structured("poison", "{"),
    ]);
    // A call that fails, and an error of Kafka's client.
    client
        .batch_execute("ALTER FUNCTION deed.backlog() RENAME TO backlog_gone")
        .expect("renamed");
    let mut consumer = spec.start(&PLACE).expect("consumer");
    line.wait_until_applied();
    let failures = "deed_call_failures_total{call=\"backlog\",sqlstate=\"42883\"}";
    wait_until("the failure is counted", DEADLINE, || {
        metric(&mut consumer, failures).filter(|failures| *failures >= 1.0)
    })
    .expect("counted");
    client
        .batch_execute("ALTER FUNCTION deed.backlog_gone() RENAME TO backlog")
        .expect("renamed");
    for (series, value) in [
        (
            "deed_events_total{type=\"document.created\",outcome=\"applied\"}",
            1.0,
        ),
        (
            "deed_events_total{type=\"document.created\",outcome=\"duplicate\"}",
            1.0,
        ),
        ("deed_events_total{type=\"\",outcome=\"rejected\"}", 1.0),
        ("deed_quarantine_records", 1.0),
        ("deed_relay_active", 1.0),
        ("deed_relayed_events_total", 1.0),
        (
            "deed_partition_next_offset{topic=\"metrics.events\",partition=\"0\"}",
            3.0,
        ),
        (
            "deed_partition_lag_records{topic=\"metrics.events\",partition=\"0\"}",
            0.0,
        ),
    ] {
        let mut last = None;
        wait_until(&format!("{series} is {value}"), DEADLINE, || {
            last = metric(&mut consumer, series);
            (last == Some(value)).then_some(())
        })
        .unwrap_or_else(|error| panic!("{error}; it is {last:?}"));
    }
    let (status, text) = get(&mut consumer, "/metrics").expect("metrics");
    assert_eq!(status, 200);
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut given: BTreeSet<String> = types
        .filter_map(|line| line.split(' ').next())
        .filter(|name| name.starts_with("deed_"))
        .map(str::to_owned)
        .collect();
    // Only errors of the connection have one.
    given.insert("deed_kafka_errors_total".to_owned());
    let page = PLACE.root.join("docs/METRICS.md");
    let page = fs::read_to_string(page).expect("the page");
    assert_eq!(listed(&page), given);
    assert!(text.contains("process_resident_memory_bytes"));
}
