//! Reading one's own write: the header `Deed-Position`.

use std::thread;

use deed_tests::event::{Clock, Event, id};
use deed_tests::owner::{Owner, TOPIC};
use deed_tests::postgres::{Postgres, connect};
use deed_tests::postgrest::token::token;
use deed_tests::postgrest::{Answer, PostgRest, Request};
use deed_tests::process::wait_until;
use deed_tests::stage::{DEADLINE, JWT_SECRET, Line, shared_postgres};
use postgres::Client;
use serde_json::{Value, json};

use super::{Findings, MINUTE, Scene, digest, link};

/// What Deed locks in place of a counter of those who wait.
const PLACES: i32 = 0x6465_6564;

/// How many of them are taken.
const HELD: &str =
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1684366692
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

fn ask(http: &PostgRest, path: &str, position: &str, bearer: Option<&str>) -> Answer {
    let request = Request::get(path).bearer(bearer);
    http.ask(request.header("Deed-Position", position))
        .expect("an answer")
}

/// The consumer is kept from applying a write until a read waits for it: what comes is never older.
#[test]
fn a_read_with_the_position_of_a_write_is_never_stale() {
    let name = "http_fresh";
    let line = Line::shared(name, 3);
    set(&mut line.admin(), name, "max_wait", "4s");
    let mut consumer = line.consumer("a");
    let http = line.postgrest();
    let [anne, bob, plan] = ["anne", "bob", "plan"].map(id);
    let mut clock = Clock::default();
    let topic = &line.topics[0];
    let produce = |event: Event, partition: i32| {
        let mut record = event.structured();
        record.partition = Some(partition);
        line.send(&[record]);
        let end = line.kafka.ends(topic).expect("ends")[partition as usize];
        format!("{topic}:{partition}:{}", end - 1)
    };
    let of_bob = token(JWT_SECRET, "deed_user", Some(bob), MINUTE);
    let created = produce(clock.created(plan, anne, "Plan"), 0);
    line.wait_until_applied();
    let (mut holding, mut watching) = (line.admin(), line.admin());
    let path = format!("/rpc/effective_level?document={plan}");
    for n in 0..6 {
        let (event, level) = match n % 3 {
            0 => (clock.granted(plan, bob, "viewer", anne), json!("viewer")),
            1 => (clock.granted(plan, bob, "editor", anne), json!("editor")),
            _ => (clock.revoked(plan, bob, anne), Value::Null),
        };
        let hold = format!("BEGIN; SELECT FROM deed.document WHERE id = '{plan}' FOR UPDATE");
        holding.batch_execute(&hold).expect("a lock");
        let position = format!("{created}, {}", produce(event, n % 3));
        thread::scope(|scope| {
            let reader = scope.spawn(|| ask(&http, &path, &position, Some(&of_bob)));
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                AND usename = 'deed_authenticator' AND state = 'active' AND wait_event = 'Extension'";
            wait_until("the read waits", DEADLINE, || {
                let row = watching.query_one(waiting, &[]).expect(waiting);
                (row.get::<_, i64>(0) == 1).then_some(())
            })
            .expect("waiting");
            holding.batch_execute("COMMIT").expect("released");
            let answer = reader.join().expect("a reader");
            assert_eq!(
                (answer.status, answer.json()),
                (200, level),
                "{n}: {answer:?}"
            );
        });
    }
    consumer.stop(DEADLINE).expect("stops");
}

fn set(client: &mut Client, database: &str, setting: &str, value: &str) {
    let sql = format!("ALTER DATABASE {database} SET deed_http.{setting} = '{value}'");
    client.batch_execute(&sql).expect(&sql);
}

/// A database whose requests wait no longer than this, in so many places.
fn waiting(name: &str, longest: &str, places: i32) -> (&'static Postgres, Client, PostgRest) {
    let line = Line::shared(name, 1);
    let mut client = line.admin();
    set(&mut client, name, "max_wait", longest);
    set(&mut client, name, "max_waiting", &places.to_string());
    (shared_postgres(), client, line.postgrest())
}

#[test]
fn what_is_not_applied_is_answered_later() {
    let (_, mut client, http) = waiting("http_late", "100ms", 4);
    let mut findings = Findings::default();
    let anne = token(JWT_SECRET, "deed_user", Some(id("anne")), MINUTE);
    let mut late = |what: &str, answer: &Answer, message: &str| {
        findings.refuses(what, answer, 504, "PT504", message);
        let retry = answer.header("retry-after");
        findings.expect(&format!("{what}: {retry:?}"), retry.as_deref() == Some("1"));
    };
    for bearer in [None, Some(anne.as_str())] {
        for path in ["/documents", "/rpc/list_documents"] {
            let answer = ask(&http, path, "events:0:7", bearer);
            late("late", &answer, "Deed-Position: not applied yet");
        }
    }
    let passed =
        "INSERT INTO deed.stream_position (consumer_group, topic, partition, next_offset, epoch)
        VALUES ('g', 'events', 0, 8, 1), ('g', 'events', 1, 3, 1), ('h', 'events', 1, 5, 1)";
    client.batch_execute(passed).expect("a position");
    for position in [
        "events:0:7",
        "events:0:0,events:1:4",
        "events:1:4, events:0:6",
    ] {
        let answer = ask(&http, "/rpc/list_documents", position, None);
        findings.gives(position, &answer, &json!([]));
    }
    for position in [
        "events:0:8",
        "events:0:7,events:1:5",
        "events:2:0",
        "other:0:0",
    ] {
        let answer = ask(&http, "/rpc/list_documents", position, None);
        findings.refuses(
            position,
            &answer,
            504,
            "PT504",
            "Deed-Position: not applied yet",
        );
    }
    for position in [
        "",
        "x",
        "events:0",
        "events:0:-1",
        "events:0:7;",
        "'; --",
        &"events:0:7,".repeat(200),
    ] {
        let answer = ask(&http, "/rpc/list_documents", position, None);
        findings.refuses(
            position,
            &answer,
            400,
            "PD005",
            "Deed-Position: expected topic:partition:offset",
        );
    }
}

/// What is waited for may be the link's own: a new one opens, and an old token doesn't any more.
#[test]
fn a_link_is_looked_for_behind_the_wait() {
    let (postgres, mut client, http) = waiting("http_link", "4s", 4);
    let login = connect(&postgres.consumer_url("http_link")).expect("a login");
    let mut owner = Owner::claim(login, 0).expect("claimed");
    let mut clock = Clock::default();
    let mut findings = Findings::default();
    let rotated = json!({ "token_sha256": digest("new") });
    for (n, event, token, opens) in [
        (0, link(&mut clock, id("link"), "old"), "old", true),
        (
            1,
            clock.principal_updated(id("link"), rotated),
            "old",
            false,
        ),
        (
            2,
            clock.principal_updated(id("link"), json!({})),
            "new",
            true,
        ),
        (3, clock.removed(id("link")), "new", false),
    ] {
        thread::scope(|scope| {
            let request = Request::get("/rpc/list_documents").header("Share-Link", token);
            let request = request.header("Deed-Position", format!("{TOPIC}:0:{n}"));
            let reader = scope.spawn(|| http.ask(request).expect("an answer"));
            wait_until("the request waits", DEADLINE, || {
                let row = client.query_one(HELD, &[]).expect(HELD);
                (row.get::<_, i64>(0) == 1).then_some(())
            })
            .expect("waiting");
            owner.apply(&[event.structured()]).expect("applied");
            let answer = reader.join().expect("a reader");
            match opens {
                true => findings.gives(token, &answer, &json!([])),
                false => findings.refuses(token, &answer, 401, "PT401", "Share-Link: "),
            }
        });
    }
}

/// Each place is a lock: taken here, as waiting requests hold them.
#[test]
fn too_many_may_not_wait_and_visitors_leave_room() {
    let (postgres, mut client, http) = waiting("http_crowd", "100ms", 4);
    let mut findings = Findings::default();
    let anne = token(JWT_SECRET, "deed_user", Some(id("anne")), MINUTE);
    let (visitor, user) = (None, Some(anne.as_str()));
    let not_yet = "Deed-Position: not applied yet";
    let crowded = "Deed-Position: too many requests wait";
    let mut sees = |what: &str, bearer: Option<&str>, message: &str| {
        let answer = ask(&http, "/rpc/list_documents", "events:0:7", bearer);
        findings.refuses(what, &answer, 504, "PT504", message);
        let unasked = http.get("/rpc/list_documents", bearer).expect("an answer");
        findings.gives(what, &unasked, &json!([]));
    };
    let mut hold = |place: i32| {
        let sql = format!("SELECT pg_advisory_lock({PLACES}, {place})");
        client.batch_execute(&sql).expect("a place");
    };
    sees("nobody waits", visitor, not_yet);
    hold(1);
    sees("a visitor waits", visitor, not_yet);
    hold(2);
    sees("visitors' places are taken", visitor, crowded);
    sees("visitors' places are taken", user, not_yet);
    hold(3);
    sees("one is left", user, not_yet);
    hold(4);
    sees("none is left", user, crowded);
    drop(client);
    // Another database has places of its own.
    let mut other = postgres.admin("postgres").expect("a connection");
    let sql = format!("SELECT pg_advisory_lock({PLACES}, n) FROM generate_series(1, 4) AS n");
    other.batch_execute(&sql).expect("places");
    let freed = wait_until("the places are free again", DEADLINE, || {
        let answer = ask(&http, "/rpc/list_documents", "events:0:7", visitor);
        answer.body.contains(not_yet).then_some(())
    });
    freed.expect("free");
}

/// Visitors who wait for what never comes, all at once, keep nobody else from an answer.
#[test]
fn visitors_do_not_drain_the_pool() {
    let scene = Scene::shared();
    let mut client = scene.line.admin();
    thread::scope(|scope| {
        let visit = || ask(&scene.http, "/rpc/list_documents", "never:0:7", None);
        let visitors: Vec<_> = (0..40).map(|_| scope.spawn(visit)).collect();
        let mut most = 0;
        wait_until("visitors wait", DEADLINE, || {
            most = most.max(client.query_one(HELD, &[]).expect(HELD).get::<_, i64>(0));
            (most == 3).then_some(())
        })
        .expect("half of the six places");
        let alice = super::of("alice");
        for _ in 0..20 {
            let answer = scene.get(Some(&alice), "/rpc/effective_level?document=D1");
            assert_eq!((answer.status, answer.json()), (200, json!("owner")));
            most = most.max(client.query_one(HELD, &[]).expect(HELD).get::<_, i64>(0));
        }
        assert_eq!(most, 3, "visitors never take more");
        for visitor in visitors {
            let answer = visitor.join().expect("a visitor");
            assert_eq!(
                (answer.status, &answer.json()["code"]),
                (504, &json!("PT504")),
                "{answer:?}"
            );
        }
    });
}

/// A setting that is no number or interval is the operator's to mend: no visitor is told.
#[test]
fn a_wrong_setting_is_no_callers_fault() {
    let (_, _client, http) = waiting("http_setting", "soon", 4);
    let mut findings = Findings::default();
    let answer = ask(&http, "/rpc/list_documents", "events:0:7", None);
    findings.refuses(
        "a wrong setting",
        &answer,
        500,
        "PT500",
        "the question could not be answered",
    );
    let unasked = http.get("/rpc/list_documents", None).expect("an answer");
    findings.gives("without a position", &unasked, &json!([]));
}
