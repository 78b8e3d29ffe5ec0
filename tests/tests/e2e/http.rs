//! The read API: every row of `docs/HTTP.md`, section 8 ([`answers`], [`refusals`], [`links`]), and
//! what must stay out of reach ([`attacks`], [`tokens`], [`surface`]); the pages and the description for those
//! who use it ([`demo`]).

use std::sync::LazyLock;
use std::time::Duration;

use deed_tests::event::{Clock, Event, id};
use deed_tests::postgrest::token::token;
use deed_tests::postgrest::{self, Answer, PostgRest, Request};
use deed_tests::stage::{DEADLINE, JWT_SECRET, Line, PLACE};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

mod answers;
mod attacks;
mod demo;
mod documents;
mod failures;
mod freshness;
mod headers;
mod links;

mod pages;
mod refusals;
mod surface;
mod tokens;

const MINUTE: Duration = Duration::from_secs(60);

/// The tokens of share links, which events carry as digests.
const LINK: &str = "the token of a link";
const REVOKED: &str = "the token of a link that was revoked";
const SHARED: &str = "the token of two links";

/// The documents and people of section 8, behind a PostgREST.
pub struct Scene {
    pub line: Line<'static>,
    pub http: PostgRest,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| Scene::set("http"));

/// What `PostgREST` itself answers, in version 12 and in those from 14 on; the latter is what their
/// documentation and source say: not seen here.
fn either<T>(twelve: T, later: T) -> T {
    match postgrest::major(&PLACE).expect("a version") {
        12 => twelve,
        _ => later,
    }
}

fn document(n: u32) -> Uuid {
    id(&format!("http D{n}"))
}

fn who(name: &str) -> Uuid {
    id(&format!("http {name}"))
}

fn of(name: &str) -> String {
    token(JWT_SECRET, "deed_user", Some(who(name)), MINUTE)
}

fn service(sub: Option<&str>) -> String {
    token(JWT_SECRET, "deed_service", sub.map(who), MINUTE)
}

fn digest(token: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(token))
}

/// A share link comes to be.
fn link(clock: &mut Clock, principal: Uuid, token: &str) -> Event {
    let data = json!({ "kind": "anonymous", "token_sha256": digest(token) });
    clock.event("principal.registered", principal, data)
}

fn events(clock: &mut Clock) -> Vec<Event> {
    let [alice, bob, cara, team, shared, revoked] =
        ["alice", "bob", "cara", "team", "link", "revoked"].map(who);
    let everyone = json!({ "recipient": "everyone", "level": "viewer", "granted_by": bob });
    vec![
        clock.registered(alice, "user", "Alice"),
        clock.registered(cara, "user", "Cara"),
        clock.registered(team, "group", "Team"),
        clock.member_added(team, bob),
        clock.created(document(1), alice, "One"),
        clock.granted(document(1), bob, "viewer", alice),
        clock.created(document(2), bob, "Two"),
        clock.created(document(3), alice, "Three"),
        clock.deleted(document(3), alice),
        clock.created(document(4), bob, "Four"),
        clock.event("permission.granted", document(4), everyone),
        clock.created(document(5), alice, "Five"),
        clock.granted(document(5), team, "viewer", alice),
        clock.granted(document(5), shared, "editor", alice),
        clock.granted(document(5), revoked, "editor", alice),
        link(clock, shared, LINK),
        link(clock, revoked, REVOKED),
        clock.removed(revoked),
        link(clock, who("twin"), SHARED),
        link(clock, who("other twin"), SHARED),
        clock.created(document(6), cara, "Six"),
        clock.removed(cara),
    ]
}

impl Scene {
    /// The one that tests share which change nothing.
    pub fn shared() -> &'static Self {
        &SCENE
    }

    fn set(name: &str) -> Self {
        let line = Line::shared(name, 1);
        let mut consumer = line.consumer("a");
        let events = events(&mut Clock::default());
        let records: Vec<_> = events.iter().map(Event::structured).collect();
        line.send(&records);
        line.wait_until_applied();
        consumer.stop(DEADLINE).expect("stops");
        Self {
            http: line.postgrest(),
            line,
        }
    }

    /// A path with `D1`, `ALICE` and the like in place of ids.
    fn path(path: &str) -> String {
        let mut path = path.to_owned();
        for name in ["alice", "bob", "cara", "team", "link"] {
            path = path.replace(&name.to_uppercase(), &who(name).to_string());
        }
        for n in [1, 2, 3, 4, 5, 6, 9] {
            path = path.replace(&format!("D{n}"), &document(n).to_string());
        }
        path
    }

    fn get(&self, bearer: Option<&str>, path: &str) -> Answer {
        self.ask(Request::get(&Self::path(path)).bearer(bearer))
    }

    fn ask(&self, request: Request) -> Answer {
        self.http.ask(request).expect("an answer")
    }
}

/// What did not answer as expected; the test fails with all of it.
#[derive(Default)]
pub struct Findings(Vec<String>);

impl Findings {
    /// Expects a status and a whole body.
    fn gives(&mut self, what: &str, answer: &Answer, body: &Value) {
        if (answer.status, &answer.json()) != (200, body) {
            self.0
                .push(format!("{what}: {answer:?}, expected 200 {body}"));
        }
    }

    /// Expects an error with this code whose message begins so.
    fn refuses(&mut self, what: &str, answer: &Answer, status: u16, code: &str, message: &str) {
        let error = answer.json();
        let said = error["message"].as_str().unwrap_or_default();
        let right = answer.status == status && error["code"] == code && said.starts_with(message);
        if !right {
            self.0.push(format!(
                "{what}: {answer:?}, expected {status} {code} {message}"
            ));
        }
    }

    pub fn expect(&mut self, what: &str, holds: bool) {
        if !holds {
            self.0.push(what.to_owned());
        }
    }
}

impl Drop for Findings {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "{}", self.0.join("\n"));
        }
    }
}

fn ids(numbers: &[u32], column: &str) -> Value {
    let mut documents: Vec<Uuid> = numbers.iter().map(|n| document(*n)).collect();
    documents.sort();
    documents.iter().map(|id| json!({ column: id })).collect()
}
