//! From a record produced to a socket closed, through every part: Kafka, the consumer, Postgres, the relay, Kafka again
//! and the example's proxy. At 200 changes a second, half of them revokes that close a socket.

use std::collections::HashMap;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rdkafka::Message;
use rdkafka::message::{Headers, OwnedMessage};
use serde_json::Value;
use uuid::Uuid;

use super::report::{Report, Row};
use super::session::Fallible;
use super::world::Size;
use crate::event::{Clock, Event, id};
use crate::kafka::Sender;
use crate::process::wait_until;
use crate::proxy::{Heard, Proxy, Spec};
use crate::stage::{DEADLINE, Line, OUTBOUND, PLACE, own_kafka, own_postgres, run_folder};

/// Sockets, each closed and opened again once a turn.
const SOCKETS: usize = 200;
/// A turn has two changes for each socket.
const TURN: Duration = Duration::from_secs(2);
const TURNS: usize = 30;
/// Not counted: plans are made, connections opened.
const WARM_UP: usize = 2;

/// One revoke: the id of its event, when it was produced, and when the socket was closed.
struct Closed {
    event: String,
    produced: SystemTime,
    closed: SystemTime,
}

/// One clock for all sockets.
#[derive(Default)]
struct Teller(Mutex<Clock>);

impl Teller {
    fn tell(&self, make: impl FnOnce(&mut Clock) -> Event) -> Event {
        make(&mut self.0.lock().expect("a clock"))
    }
}

/// Measures, in milliseconds.
pub fn measure(size: Size, report: &mut Report) -> Fallible<()> {
    report.section("Events out: from a revoke to a closed socket");
    let kafka = own_kafka("bench-latency-kafka");
    let postgres = own_postgres("bench-latency-postgres", true);
    let line = Line::new(&kafka, &postgres, "latency", &[("events", 4)]);
    let mut consumer = line.consumer("all");
    let spec = Spec {
        postgres: &postgres,
        database: &line.name,
        kafka_bootstrap: kafka.bootstrap(),
        log: run_folder().join("bench-proxy.log"),
    };
    let proxy = Proxy::start(&PLACE, &spec)?;
    let anne = id("anne");
    let teller = Teller::default();
    let pairs: Vec<(Uuid, Uuid)> = (0..SOCKETS)
        .map(|n| (id(&format!("document {n}")), id(&format!("reader {n}"))))
        .collect();
    let records = pairs.iter().flat_map(|(document, reader)| {
        [
            teller.tell(|clock| clock.created(*document, anne, "Plan")),
            teller.tell(|clock| clock.granted(*document, *reader, "viewer", anne)),
        ]
    });
    line.send(&records.map(|event| event.binary()).collect::<Vec<_>>());
    line.wait_until_applied();
    let turns = match size.is_full() {
        true => TURNS,
        false => WARM_UP + 2,
    };
    let sender = kafka.prompt_sender()?;
    let topic = line.topics[0].as_str();
    let began = Instant::now() + Duration::from_secs(2);
    let closed: Vec<Closed> = thread::scope(|scope| {
        let sockets: Vec<_> = pairs
            .iter()
            .enumerate()
            .map(|(n, pair)| {
                let first = began + TURN * n as u32 / SOCKETS as u32;
                let (proxy, sender, teller) = (&proxy, &sender, &teller);
                scope.spawn(move || one_socket(proxy, sender, topic, *pair, first, turns, teller))
            })
            .collect();
        let all = sockets
            .into_iter()
            .map(|socket| socket.join().expect("a socket"));
        all.flatten().collect()
    });
    consumer.stop(DEADLINE)?;
    tell_parts(&closed, &kafka.read(OUTBOUND)?, report);
    Ok(())
}

fn one_socket(
    proxy: &Proxy,
    sender: &Sender,
    topic: &str,
    (document, reader): (Uuid, Uuid),
    first: Instant,
    turns: usize,
    teller: &Teller,
) -> Vec<Closed> {
    let anne = id("anne");
    let mut closed = Vec::new();
    for turn in 0..turns {
        let mut socket = wait_until("a socket", DEADLINE, || {
            proxy.connect(document, reader).ok()
        })
        .expect("let in");
        assert!(matches!(socket.hear(), Heard::Text(_)));
        let due = first + TURN * turn as u32;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let revoke = teller.tell(|clock| clock.revoked(document, reader, anne));
        let produced = SystemTime::now();
        sender.send(topic, &revoke.binary()).expect("sent");
        assert_eq!(socket.hear(), Heard::Closed(4403));
        if turn >= WARM_UP {
            closed.push(Closed {
                event: revoke.id.clone(),
                produced,
                closed: SystemTime::now(),
            });
        }
        let granted = teller.tell(|clock| clock.granted(document, reader, "viewer", anne));
        sender.send(topic, &granted.binary()).expect("sent");
    }
    closed
}

/// When what the inbound event brought about was told, by its type, and when that was published.
#[derive(Default)]
struct Times {
    applied: Option<f64>,
    settled: Option<f64>,
    published: Option<f64>,
}

fn tell_parts(closed: &[Closed], records: &[OwnedMessage], report: &mut Report) {
    let mut times: HashMap<String, Times> = HashMap::new();
    for record in records {
        let header = |name: &str| {
            let headers = record.headers()?;
            let mut found = headers.iter().filter(|header| header.key == name);
            std::str::from_utf8(found.next()?.value?).ok()
        };
        let data: Option<Value> = record
            .payload()
            .and_then(|data| serde_json::from_slice(data).ok());
        let cause = data.and_then(|data| data["cause"]["id"].as_str().map(str::to_owned));
        let (Some(cause), Some(time)) = (cause, header("ce_time").and_then(millis)) else {
            continue;
        };
        let times = times.entry(cause).or_default();
        match header("ce_type") {
            Some("deed.permission.updated") => times.applied = Some(time),
            Some("deed.access.changed") => {
                times.settled = Some(time);
                times.published = record.timestamp().to_millis().map(|at| at as f64);
            }
            _ => {}
        }
    }
    let mut parts: [Vec<f64>; 5] = Default::default();
    for one in closed {
        let [produced, gone] = [one.produced, one.closed].map(since_1970);
        parts[0].push(gone - produced);
        let Some(Times {
            applied: Some(applied),
            settled: Some(settled),
            published: Some(published),
        }) = times.get(&one.event)
        else {
            continue;
        };
        parts[1].push(applied - produced);
        parts[2].push(settled - applied);
        parts[3].push(published - settled);
        parts[4].push(gone - published);
    }
    let names = [
        "from the produced record to the closed socket",
        "until the change is written in Postgres (produce, fetch, apply)",
        "from there until the watched level is settled (commit, mark, settle)",
        "from there until the relay hands it to its producer (commit, read)",
        "from there until the socket is closed (Kafka's transaction, proxy)",
    ];
    for (name, mut of) in names.into_iter().zip(parts) {
        of.sort_by(f64::total_cmp);
        for (word, share) in [("median", 0.5), ("p99", 0.99)] {
            let at = (of.len() as f64 * share) as usize;
            report.add(Row::alone(
                format!("revoke, 200 changes/s: {name}, {word} of {}", of.len()),
                "ms",
                of.get(at).copied().unwrap_or(f64::NAN),
            ));
        }
    }
}

fn since_1970(time: SystemTime) -> f64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64() * 1e3
}

fn millis(time: &str) -> Option<f64> {
    let instant = deed_core::version::Instant::parse("time", time).ok()?;
    Some(instant.unix_nanos() as f64 / 1e6)
}
