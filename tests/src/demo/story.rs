//! Anne plans, shares with Bob, and keeps one thing to herself.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::services::{DATABASE, Services, TOPICS};
use super::state::State;
use crate::consumer::positions;
use crate::event::{Event, id};
use crate::place::Place;
use crate::process::wait_until;

pub fn anne() -> Uuid {
    id("demo anne")
}

pub fn bob() -> Uuid {
    id("demo bob")
}

pub fn roadmap() -> Uuid {
    id("demo roadmap")
}

pub fn salaries() -> Uuid {
    id("demo salaries")
}

/// Topic and event.
fn events() -> Vec<(&'static str, Event)> {
    let [documents, principals, permissions] = TOPICS;
    let events = [
        (
            principals,
            "principal.registered",
            anne(),
            json!({ "kind": "user", "name": "Anne" }),
        ),
        (
            principals,
            "principal.registered",
            bob(),
            json!({ "kind": "user", "name": "Bob" }),
        ),
        (
            documents,
            "document.created",
            roadmap(),
            json!({ "created_by": anne(), "title": "Roadmap" }),
        ),
        (
            documents,
            "document.created",
            salaries(),
            json!({ "created_by": anne(), "title": "Salaries" }),
        ),
        (
            permissions,
            "permission.granted",
            roadmap(),
            json!({ "recipient": bob(), "level": "editor", "granted_by": anne() }),
        ),
    ];
    let event = |(n, (topic, kind, subject, data)): (usize, (_, &str, _, _))| {
        let event = Event {
            id: format!("story-{n}"),
            source: "/demo".to_owned(),
            kind: kind.to_owned(),
            subject,
            // The past: whatever is sent now is later.
            time: format!("2026-01-01T09:00:0{n}Z"),
            sequence: None,
            data,
        };
        (topic, event)
    };
    events.into_iter().enumerate().map(event).collect()
}

/// Sends the story, unless the data has it already, and waits until it is applied.
pub fn tell(place: &Place, state: &mut State, services: &Services) -> Result<(), String> {
    if state.told {
        println!("  it was told at an earlier start; the data is still there");
        return Ok(());
    }
    for topic in TOPICS {
        let lines: String = events()
            .iter()
            .filter(|(of, _)| *of == topic)
            .map(|(_, event)| line(event) + "\n")
            .collect();
        print!(
            "  to topic {topic}:\n    {}\n",
            lines.trim_end().replace('\n', "\n    ")
        );
        produce(place, &services.kafka.bootstrap(), topic, &lines)?;
    }
    let ends = TOPICS
        .into_iter()
        .map(|topic| Ok((topic, services.kafka.ends(topic)?)))
        .collect::<Result<Vec<_>, String>>()?;
    let mut client = services.postgres.admin(DATABASE)?;
    wait_until("the story is applied", Duration::from_secs(60), || {
        let mut topics = ends.iter();
        let reached = |(topic, ends): &(&str, Vec<i64>)| {
            positions(&mut client, DATABASE, topic).is_some_and(|next| next == *ends)
        };
        topics.all(reached).then_some(())
    })?;
    state.told = true;
    state.save()
}

/// A line of the console producer: headers, key and value.
fn line(event: &Event) -> String {
    let value = event.structured().value.unwrap_or_default();
    let value = String::from_utf8_lossy(&value);
    format!(
        "content-type:application/cloudevents+json|{}|{value}",
        event.subject
    )
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

/// Shows what follows from the story, by commands that can be repeated.
pub fn show(place: &Place, services: &Services) -> Result<(), String> {
    println!("\nEach command can be repeated in a shell in this folder, after `. .demo/env`.");
    println!("\nIn SQL, what Bob may do with the roadmap and the salaries:");
    run_as_shown(
        place,
        "\"$DEMO_PSQL\" \"$DEMO_ADMIN_URL\" -c \"SELECT title, deed.has_permission('$DEMO_BOB', id, 'editor'), deed.effective_level('$DEMO_ANNE', id) AS anne FROM deed.document WHERE id IN ('$DEMO_ROADMAP', '$DEMO_SALARIES') ORDER BY title\"",
    )?;
    println!("\nOver HTTP, as Bob: a check, and what he can see:");
    for path in [
        "rpc/has_permission?document=$DEMO_ROADMAP&level=editor",
        "rpc/has_permission?document=$DEMO_SALARIES&level=viewer",
        "rpc/list_documents?select=document_id,title,level",
    ] {
        run_as_shown(
            place,
            &format!(
                "curl -sS -H \"Authorization: Bearer $DEMO_TOKEN_BOB\" \"$DEMO_REST_URL/{path}\""
            ),
        )?;
    }
    println!("\nAs Anne: who may see the roadmap:");
    run_as_shown(
        place,
        "curl -sS -H \"Authorization: Bearer $DEMO_TOKEN_ANNE\" \"$DEMO_REST_URL/rpc/list_permissions?document=$DEMO_ROADMAP&select=name,level,granted_at\"",
    )?;
    let classes = "\"$DEMO_KAFKA_CLASSES\"";
    let producer = console_producer(classes, "\"$DEED_KAFKA_BOOTSTRAP\"", "permissions");
    println!(
        "\nAn event of your own: Anne lets Bob see the salaries. Then ask again as above.\n\n\
         $ {producer} <<END\n\
         content-type:application/cloudevents+json|$DEMO_SALARIES|{{\"specversion\":\"1.0\",\"id\":\"$(date +%s%N)\",\"source\":\"/by-hand\",\"type\":\"permission.granted\",\"subject\":\"$DEMO_SALARIES\",\"time\":\"$(date -u +%FT%T.%NZ)\",\"data\":{{\"recipient\":\"$DEMO_BOB\",\"level\":\"viewer\",\"granted_by\":\"$DEMO_ANNE\"}}}}\n\
         END"
    );
    println!(
        "\nKafka: {}   PostgREST: {}   all else: .demo/env",
        services.kafka.bootstrap(),
        services.postgrest.url()
    );
    Ok(())
}
