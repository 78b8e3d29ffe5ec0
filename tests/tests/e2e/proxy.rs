//! The example's proxy: from an event in Kafka to an open, raised or closed websocket.

use deed_tests::event::{Clock, id};
use deed_tests::postgrest::Request;
use deed_tests::process::wait_until;
use deed_tests::proxy::{Heard, Proxy, Spec, bearer};
use deed_tests::stage::{DEADLINE, Line, own_kafka, run_folder, shared_postgres};
use serde_json::json;

const NO_ACCESS: u16 = 4403;

fn level(level: &str) -> Heard {
    Heard::Text(json!({ "level": level }))
}

#[test]
fn a_connection_follows_the_level_of_its_principal() {
    let kafka = own_kafka("proxy-kafka");
    let line = Line::new(&kafka, shared_postgres(), "proxy", &[("events", 2)]);
    let _consumer = line.consumer("a");
    let spec = Spec {
        postgres: line.postgres,
        database: &line.name,
        kafka_bootstrap: kafka.bootstrap(),
        log: run_folder().join("proxy.log"),
    };
    let mut proxy = Proxy::start(&deed_tests::stage::PLACE, &spec).expect("proxy");
    let [plan, anne, bob, cara, team] = ["plan", "anne", "bob", "cara", "team"].map(id);
    let mut clock = Clock::default();
    let send = |event: deed_tests::event::Event| line.send(&[event.binary()]);
    send(clock.created(plan, anne, "Plan"));
    send(clock.granted(plan, team, "viewer", anne));
    send(clock.member_added(team, bob));
    line.wait_until_applied();

    // Who is not known, or not let in, gets no websocket.
    assert_eq!(proxy.connect_with(plan, None).err(), Some(401));
    assert_eq!(proxy.connect_with(plan, Some("no token")).err(), Some(401));
    assert_eq!(proxy.connect(plan, cara).err(), Some(403));
    assert_eq!(proxy.connect(id("unknown"), bob).err(), Some(403));

    let mut owner = proxy.connect(plan, anne).expect("the owner");
    assert_eq!(owner.hear(), level("owner"));
    let mut viewer = proxy.connect(plan, bob).expect("a viewer");
    assert_eq!(viewer.hear(), level("viewer"));
    viewer.say("let me");
    assert_eq!(viewer.hear(), Heard::Text(json!({ "error": "read only" })));
    owner.say("look");
    assert_eq!(viewer.hear(), Heard::Text(json!("look")));

    // Raised while it is open, and lowered again.
    send(clock.granted(plan, bob, "editor", anne));
    assert_eq!(viewer.hear(), level("editor"));
    viewer.say("thanks");
    assert_eq!(owner.hear(), Heard::Text(json!("thanks")));
    send(clock.revoked(plan, bob, anne));
    assert_eq!(viewer.hear(), level("viewer"));
    // Closed when the last way ends, wherever it leads through.
    send(clock.member_removed(team, bob));
    assert_eq!(viewer.hear(), Heard::Closed(NO_ACCESS));
    assert_eq!(proxy.connect(plan, bob).err(), Some(403));

    // Whoever is given something finds the answer at hand.
    let path = format!("/documents/{plan}/level");
    let token = bearer(cara);
    let asked = |proxy: &Proxy| {
        let request = Request::get(&path).bearer(Some(&token));
        request.send_to(&proxy.url()).expect("an answer").json()
    };
    assert_eq!(asked(&proxy), json!(null));
    send(clock.granted(plan, cara, "viewer", anne));
    wait_until("the new level is at hand", DEADLINE, || {
        (asked(&proxy) == json!("viewer")).then_some(())
    })
    .expect("warm");
    let mut other = proxy.connect(plan, cara).expect("a viewer");
    assert_eq!(other.hear(), level("viewer"));
    // Somebody took the watch away, and nobody was told of the change: the proxy finds out when it prolongs.
    let lapsed = format!(
        "DELETE FROM deed.lease WHERE principal_id = '{cara}'; DELETE FROM deed.watched WHERE principal_id = '{cara}'"
    );
    line.admin().batch_execute(&lapsed).expect("lapsed");
    send(clock.revoked(plan, cara, anne));
    assert_eq!(other.hear(), Heard::Closed(NO_ACCESS));
    send(clock.granted(plan, cara, "viewer", anne));
    line.wait_until_applied();
    let mut other = proxy.connect(plan, cara).expect("a viewer");
    assert_eq!(other.hear(), level("viewer"));
    send(clock.deleted(plan, anne));
    for socket in [&mut owner, &mut other] {
        assert_eq!(socket.hear(), Heard::Closed(NO_ACCESS));
    }

    // Nobody is watched for connections that have ended.
    drop((owner, other, viewer));
    wait_until("all watches have ended", DEADLINE, || {
        let left = "SELECT count(*) FROM deed.watched";
        let left: i64 = line.admin().query_one(left, &[]).ok()?.get(0);
        (left == 0).then_some(())
    })
    .expect("they end");
    assert!(proxy.process().lives());
}
