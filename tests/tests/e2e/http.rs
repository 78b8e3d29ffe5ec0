//! Every row of `docs/HTTP.md`, section 7 ([`answers`], [`refusals`]), and what must stay out of
//! reach ([`outside`]).

use std::time::Duration;

use deed_tests::event::{Clock, id};
use deed_tests::postgrest::{Answer, PostgRest, token};
use deed_tests::stage::{DEADLINE, JWT_SECRET, Line};
use serde_json::{Value, json};
use uuid::Uuid;

mod answers;
mod outside;
mod refusals;

const MINUTE: Duration = Duration::from_secs(60);

/// The documents and people of section 7, behind a PostgREST.
struct Scene {
    http: PostgRest,
    failures: Vec<String>,
}

fn document(n: u32) -> Uuid {
    id(&format!("http D{n}"))
}

fn alice() -> Uuid {
    id("http alice")
}

fn bob() -> Uuid {
    id("http bob")
}

fn of(principal: Uuid) -> String {
    token(JWT_SECRET, "deed_user", Some(principal), MINUTE)
}

impl Scene {
    fn set(name: &str) -> Self {
        let line = Line::shared(name, 1);
        let mut consumer = line.consumer("a");
        let mut clock = Clock::default();
        let everyone = json!({ "recipient": "everyone", "level": "viewer", "granted_by": bob() });
        let events = [
            clock.registered(alice(), "user", "Alice"),
            clock.created(document(1), alice(), "One"),
            clock.granted(document(1), bob(), "viewer", alice()),
            clock.created(document(2), bob(), "Two"),
            clock.created(document(3), alice(), "Three"),
            clock.deleted(document(3), alice()),
            clock.created(document(4), bob(), "Four"),
            clock.event("permission.granted", document(4), everyone),
        ];
        line.send(&events.map(|event| event.structured()));
        line.wait_until_applied();
        consumer.stop(DEADLINE).expect("stops");
        Self {
            http: line.postgrest(),
            failures: Vec::new(),
        }
    }

    /// Asks, with `D1` and the like in place of ids.
    fn get(&self, bearer: Option<&str>, path: &str) -> Answer {
        let mut path = path
            .replace("ALICE", &alice().to_string())
            .replace("BOB", &bob().to_string());
        for n in [1, 2, 3, 4, 9] {
            path = path.replace(&format!("D{n}"), &document(n).to_string());
        }
        self.http.get(&path, bearer).expect("an answer")
    }

    /// Expects a status and a whole body.
    fn gives(&mut self, bearer: Option<&str>, path: &str, body: Value) {
        let answer = self.get(bearer, path);
        if (answer.status, answer.json()) != (200, body.clone()) {
            self.failures
                .push(format!("{path}: {answer:?}, expected 200 {body}"));
        }
    }

    /// Expects an error with this code whose message begins so.
    fn refuses(
        &mut self,
        bearer: Option<&str>,
        path: &str,
        status: u16,
        code: &str,
        message: &str,
    ) {
        let answer = self.get(bearer, path);
        let error = answer.json();
        let said = error["message"].as_str().unwrap_or_default();
        if answer.status != status || error["code"] != json!(code) || !said.starts_with(message) {
            self.failures.push(format!(
                "{path}: {answer:?}, expected {status} {code} {message}"
            ));
        }
    }

    fn done(self) {
        assert!(self.failures.is_empty(), "{}", self.failures.join("\n"));
    }
}

fn ids(numbers: &[u32], column: &str) -> Value {
    let mut documents: Vec<Uuid> = numbers.iter().map(|n| document(*n)).collect();
    documents.sort();
    documents.iter().map(|id| json!({ column: id })).collect()
}
