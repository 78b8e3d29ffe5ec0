//! Tells the story through Kafka's console producer, and shows what follows by commands that can be
//! repeated.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use postgres::Client;

use super::services::{DATABASE, Services, TOPICS};
use super::state::{State, folder};
use super::story::{Chapter, Moment, Told, chapters};
use crate::consumer::positions;
use crate::event::Event;
use crate::place::Place;
use crate::process::wait_until;

const DEADLINE: Duration = Duration::from_secs(60);

/// Tells and shows what the data does not have yet, chapter by chapter, and always the end.
pub fn tell(place: &Place, state: &mut State, services: &Services) -> Result<(), String> {
    println!("\nEach command can be repeated in a shell in this folder, after `. .demo/env`.");
    let chapters = chapters();
    let end = chapters.len() - 1;
    let told = state.chapters_told.min(end);
    if told > 0 {
        println!("The story was told at an earlier start; the data is still there.");
    }
    let mut client = services.postgres.admin(DATABASE)?;
    for (n, chapter) in chapters.iter().enumerate().skip(told) {
        println!("\n== {}", chapter.what);
        happen(place, services, &mut client, chapter)?;
        for command in &chapter.commands {
            run_as_shown(place, command)?;
        }
        state.chapters_told = (n + 1).min(end);
        state.save()?;
    }
    show_how_to_go_on(place, services);
    Ok(())
}

/// Sends a chapter's events, and waits until they are applied.
fn happen(
    place: &Place,
    services: &Services,
    client: &mut Client,
    chapter: &Chapter,
) -> Result<(), String> {
    let moment = moment(client)?;
    let events = (chapter.events)(&moment);
    for topic in TOPICS {
        let of_topic = events.iter().filter(|told| topic_of(told) == topic);
        let mut lines = String::new();
        for (n, told) in of_topic.enumerate() {
            let (kind, subject, data) = told;
            println!("  to topic {topic}: {kind} {subject} {data}");
            lines += &(line(&event(n, told, &moment)) + "\n");
        }
        if !lines.is_empty() {
            produce(place, &services.kafka.bootstrap(), topic, &lines)?;
        }
    }
    wait_until_applied(services, client)?;
    if let Some(question) = &chapter.once {
        wait_until(question, DEADLINE, || {
            let answer = client.query_one(question, &[]).ok()?;
            answer.get::<_, bool>(0).then_some(())
        })?;
    }
    Ok(())
}

/// The whole story as it was told in January: each event with its topic.
pub fn story() -> Vec<(&'static str, Event)> {
    let told = |(n, chapter): (usize, Chapter)| {
        let moment = Moment {
            now: format!("2026-01-01T00:00:{n:02}Z"),
            soon: format!("2026-01-01T00:00:{n:02}.5Z"),
        };
        let events = (chapter.events)(&moment).into_iter().enumerate();
        let event = |(n, told): (usize, Told)| (topic_of(&told), event(n, &told, &moment));
        events.map(event).collect::<Vec<_>>()
    };
    chapters().into_iter().enumerate().flat_map(told).collect()
}

/// By the database's clock: it is what `expires_at` is compared with.
fn moment(client: &mut Client) -> Result<Moment, String> {
    let rfc3339 = "SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')
        FROM unnest(ARRAY[clock_timestamp(), clock_timestamp() + interval '10 seconds']) AS t ORDER BY t";
    let rows = client
        .query(rfc3339, &[])
        .map_err(|error| format!("the time: {error}"))?;
    match &rows[..] {
        [now, soon] => Ok(Moment {
            now: now.get(0),
            soon: soon.get(0),
        }),
        _ => Err("the time: no answer".to_owned()),
    }
}

fn topic_of((kind, ..): &Told) -> &'static str {
    let [documents, principals, permissions] = TOPICS;
    match kind.split('.').next() {
        Some("document") => documents,
        Some("permission") => permissions,
        _ => principals,
    }
}

fn event(n: usize, (kind, subject, data): &Told, moment: &Moment) -> Event {
    Event {
        id: format!("{}/{n}", moment.now),
        source: "/demo".to_owned(),
        kind: (*kind).to_owned(),
        subject: *subject,
        time: moment.now.clone(),
        sequence: None,
        data: data.clone(),
    }
}

/// A line of the console producer: headers, key and value.
fn line(event: &Event) -> String {
    let (subject, value) = (event.subject, event.envelope());
    format!("content-type:application/cloudevents+json|{subject}|{value}")
}

fn wait_until_applied(services: &Services, client: &mut Client) -> Result<(), String> {
    let ends = TOPICS
        .into_iter()
        .map(|topic| Ok((topic, services.kafka.ends(topic)?)))
        .collect::<Result<Vec<_>, String>>()?;
    wait_until("the story is applied", DEADLINE, || {
        let reached = |(topic, ends): &(&str, Vec<i64>)| {
            positions(client, DATABASE, topic).is_some_and(|next| next == *ends)
        };
        ends.iter().all(reached).then_some(())
    })
}

/// Kafka's console producer, told how a line is split.
fn console_producer(classes: &str, bootstrap: &str, topic: &str) -> String {
    format!(
        "java -cp {classes} org.apache.kafka.tools.ConsoleProducer --bootstrap-server {bootstrap} --topic {topic} \
         --reader-property parse.headers=true --reader-property parse.key=true \
         --reader-property 'headers.delimiter=|' --reader-property 'key.separator=|'"
    )
}

fn produce(place: &Place, bootstrap: &str, topic: &str, lines: &str) -> Result<(), String> {
    let describe = |error: std::io::Error| format!("the console producer: {error}");
    let classes = format!("'{}'", place.kafka_classes());
    let mut child = Command::new("sh")
        .args(["-c", &console_producer(&classes, bootstrap, topic)])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(describe)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(lines.as_bytes()).map_err(describe)?;
    }
    let output = child.wait_with_output().map_err(describe)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "the console producer failed: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// Runs a command in a shell that has read `.demo/env`, and prints both it and its answer.
fn run_as_shown(place: &Place, command: &str) -> Result<(), String> {
    println!("\n$ {command}");
    let output = Command::new("sh")
        .current_dir(&place.root)
        .args(["-c", &format!(". .demo/env\n{command}")])
        .output()
        .map_err(|error| format!("sh: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{}", said.trim_end());
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{command}: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

fn show_how_to_go_on(place: &Place, services: &Services) {
    let classes = "\"$DEMO_KAFKA_CLASSES\"";
    let producer = console_producer(classes, "\"$DEED_KAFKA_BOOTSTRAP\"", "principals");
    let asking = "\"$DEMO_PSQL\" \"$DEMO_ADMIN_URL\" -c \"SELECT kind, name FROM deed.principal\"";
    println!(
        "\nAn event of your own: Dora signs up.\n\n\
         $ {producer} <<END\n\
         content-type:application/cloudevents+json|dora|{{\"specversion\":\"1.0\",\"id\":\"$(date +%s%N)\",\"source\":\"/by-hand\",\"type\":\"principal.registered\",\"subject\":\"$(cat /proc/sys/kernel/random/uuid)\",\"time\":\"$(date -u +%FT%T.%NZ)\",\"data\":{{\"kind\":\"user\",\"name\":\"Dora\"}}}}\n\
         END\n\
         $ {asking}"
    );
    println!(
        "\nMore to try: docs/APP.md, docs/PRODUCERS.md, docs/EVENTS_OUT.md, examples/proxy.   Kafka: {}   PostgREST: {}   the consumer: {}/readyz?verbose   all else: .demo/env   logs: {}",
        services.kafka.bootstrap(),
        services.postgrest.url(),
        services.consumer_url,
        folder(place).display()
    );
}
