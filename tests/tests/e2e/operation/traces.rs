//! A trace goes through: from the record to what is told because of it, with spans for both where they are exported.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use deed_tests::event::{Clock, id};
use deed_tests::process::wait_until;
use deed_tests::stage::{DEADLINE, Line, OUTBOUND, PLACE};
use rdkafka::Message;
use rdkafka::message::{Headers, OwnedMessage};

/// What was exported, one request after the other: an OTLP receiver that reads nothing of it.
#[derive(Clone, Default)]
struct Exported(Arc<Mutex<Vec<u8>>>);

impl Exported {
    fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let kept = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                std::thread::spawn(move || kept.serve(stream));
            }
        });
        format!("http://{address}")
    }

    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).ok()? == 0 {
                    return None;
                }
                let line = line.trim_end().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().ok()?;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            self.0.lock().expect("kept").extend(body);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .ok()?;
        }
    }

    fn has(&self, wanted: &[u8]) -> bool {
        let kept = self.0.lock().expect("kept");
        kept.windows(wanted.len()).any(|part| part == wanted)
    }
}

fn traceparent(record: &OwnedMessage) -> Option<String> {
    let headers = record.headers()?;
    let mut found = headers.iter().filter(|header| header.key == "traceparent");
    String::from_utf8(found.next()?.value?.to_vec()).ok()
}

#[test]
fn a_trace_goes_from_the_record_to_the_event_that_is_told_because_of_it() {
    let line = Line::shared("traces", 1);
    let exported = Exported::default();
    let mut spec = line.consumer_spec("a");
    spec.environment = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", exported.listen())];
    let trace = id("traces trace").simple().to_string();
    let parent = "00f067aa0ba902b7";
    let mut clock = Clock::default();
    let [document, anne, bob] = ["traces document", "traces anne", "traces bob"].map(id);
    let mut granted = clock.granted(document, bob, "viewer", anne).binary();
    granted.headers.push((
        "traceparent".to_owned(),
        Some(format!("00-{trace}-{parent}-01").into_bytes()),
    ));
    let untraced = clock.created(document, anne, "Traced").binary();
    let mut consumer = spec.start(&PLACE).expect("consumer");
    line.send(&[untraced, granted]);
    let of_document = |record: &OwnedMessage| record.key() == Some(document.to_string().as_bytes());
    let told = wait_until("both grants are told", DEADLINE, || {
        let all = line.kafka.read(OUTBOUND).ok()?;
        let told: Vec<_> = all
            .iter()
            .filter(|one| of_document(one))
            .map(traceparent)
            .collect();
        (told.len() == 2).then_some(told)
    })
    .expect("told");
    let traced: Vec<&str> = told.iter().filter_map(|one| one.as_deref()).collect();
    let [header] = traced[..] else {
        panic!("one of them belongs to a trace: {told:?}");
    };
    assert!(header.starts_with(&format!("00-{trace}-")), "{header}");
    let span = header.split('-').nth(2).expect("a span");
    assert_ne!(span, parent, "whoever reads it is a child of the sending");

    consumer
        .stop(DEADLINE)
        .expect("stops, and exports the rest");
    let bytes = |hex: &str| data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hex");
    for wanted in [bytes(&trace), bytes(parent), bytes(span)] {
        assert!(exported.has(&wanted), "{wanted:?}");
    }
    for name in ["process traces.events", "send deed.events"] {
        assert!(exported.has(name.as_bytes()), "{name}");
    }
}
