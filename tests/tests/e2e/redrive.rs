//! Quarantined records that are applied later, and the limit that a wrong clock meets.

use deed_model::random::history_of;
use deed_tests::event::{Clock, Event, Record, id, structured};
use deed_tests::load;
use deed_tests::snapshot::Snapshot;
use postgres::Client;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::Config;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::ground::{Ground, ahead, runner};

/// The ids, what became of each, and why it stays.
fn redrive(client: &mut Client, ids: &[i64]) -> Vec<(i64, String, Option<String>)> {
    let rows = client
        .query(
            "SELECT id, outcome::text, reason FROM deed.redrive($1)",
            &[&ids],
        )
        .expect("redriven");
    let row = |row: &postgres::Row| (row.get(0), row.get(1), row.get(2));
    rows.iter().map(row).collect()
}

fn quarantined(client: &mut Client) -> Vec<(i64, String)> {
    let rows = client
        .query("SELECT id, reason FROM deed.quarantine ORDER BY id", &[])
        .expect("quarantine");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// In either mode, with a header that is no text and one that is null.
fn record(event: &Event, rng: &mut StdRng) -> Record {
    let mut record = match rng.random() {
        true => event.structured(),
        false => event.binary(),
    };
    record.headers.push(("trace".to_owned(), Some(vec![0xff])));
    record.headers.push(("empty".to_owned(), None));
    record.key = Some(vec![0xfe]);
    record
}

#[test]
fn a_redriven_event_gives_what_it_would_have_given_in_place() {
    let seed = load::seed();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut runner = runner(seed, Config::default());
    let mut strict = Ground::new("redrive_strict");
    let mut patient = Ground::new("redrive_patient");
    patient.set_max_clock_skew("1h");
    let (mut by_strict, mut by_patient) = (strict.owner(0), patient.owner(0));
    for _ in 0..20 {
        strict.clear();
        patient.clear();
        let mut events = history_of(30..=30)
            .new_tree(&mut runner)
            .expect("drawn")
            .current();
        let far = ahead(strict.client(), "10 minutes");
        for event in events.iter_mut().filter(|_| rng.random_bool(0.4)) {
            event.time = far.clone();
        }
        events.shuffle(&mut rng);
        let late = events.iter().filter(|event| event.time == far).count();
        for batch in events.chunks(7) {
            let records: Vec<_> = batch.iter().map(|event| record(event, &mut rng)).collect();
            by_strict.apply(&records).expect("applied");
            assert_eq!(by_patient.apply(&records).expect("applied"), 0);
        }
        let held_back = quarantined(strict.client());
        assert_eq!(held_back.len(), late);
        assert!(
            held_back
                .iter()
                .all(|(_, reason)| reason.contains("deed.max_clock_skew"))
        );

        strict.set_max_clock_skew("1h");
        let mut session = strict.session();
        let mut ids: Vec<i64> = held_back.into_iter().map(|(id, _)| id).collect();
        ids.shuffle(&mut rng);
        for part in ids.chunks(4) {
            for (_, outcome, reason) in redrive(&mut session, part) {
                assert!(
                    reason.is_none() && outcome != "rejected",
                    "{outcome}: {reason:?}"
                );
            }
        }
        let in_place = Snapshot::take(patient.client());
        let redriven = Snapshot::take(strict.client());
        if let Err(difference) = redriven.compare(&in_place) {
            panic!("{difference}\n{events:#?}");
        }
        assert_eq!(redriven.count("quarantine"), 0);
        strict.set_max_clock_skew("5min");
    }
}

#[test]
fn what_can_not_be_read_stays_with_its_reason() {
    let mut ground = Ground::new("redrive_unreadable");
    let mut owner = ground.owner(0);
    let mut clock = Clock::default();
    let mut unknown = clock.created(id("plan"), id("anne"), "Plan");
    unknown.kind = "document.invented".to_owned();
    let mut early = clock.created(id("plan"), id("anne"), "Plan");
    early.time = ahead(ground.client(), "10 minutes");
    let records = [structured("x", "{"), unknown.binary(), early.structured()];
    assert_eq!(owner.apply(&records).expect("applied"), 3);
    let before = quarantined(ground.client());
    let [broken, unknown, early] = [0, 1, 2].map(|n: usize| before[n].0);
    let stays = |n: usize| {
        (
            before[n].0,
            "rejected".to_owned(),
            Some(before[n].1.clone()),
        )
    };

    assert_eq!(
        redrive(ground.client(), &[broken, unknown, early]),
        [stays(0), stays(1), stays(2)]
    );
    assert_eq!(quarantined(ground.client()), before);

    ground.set_max_clock_skew("1h");
    let mut session = ground.session();
    let nowhere = early + 1_000;
    assert_eq!(
        redrive(&mut session, &[nowhere, early, unknown, broken]),
        [stays(0), stays(1), (early, "applied".to_owned(), None)]
    );
    assert_eq!(quarantined(&mut session), before[..2]);
    assert_eq!(redrive(&mut session, &[early]), [], "it is there no more");
}

/// A second this and that side of the limit, which each session sets for itself. Core's own tests
/// know it to the nanosecond.
#[test]
fn the_limit_is_the_setting_of_the_moment() {
    let mut ground = Ground::new("redrive_limit");
    let mut owner = ground.owner(0);
    let mut event = Clock::default().created(id("plan"), id("anne"), "Plan");
    event.time = ahead(ground.client(), "1 hour");
    assert_eq!(owner.apply(&[event.binary()]).expect("applied"), 1);
    let kept = quarantined(ground.client())[0].0;
    // The clock only goes on, so what is within the limit now stays so; what is beyond it by a minute
    // stays beyond for as long as any call takes.
    for (skew, expected) in [("59 min", "rejected"), ("3600 s", "applied")] {
        let mut session = ground.session();
        let skew = skew.replace(' ', "");
        session
            .batch_execute(&format!("SET deed.max_clock_skew = '{skew}'"))
            .expect("set");
        let (_, outcome, _) = redrive(&mut session, &[kept]).remove(0);
        assert_eq!(outcome, expected, "{skew}");
    }
}
