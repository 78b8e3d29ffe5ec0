//! The law: any order, any duplication and any batching of the same events gives the same registers.

use std::collections::BTreeMap;

use deed_core::decide::{Held, Outcome, decide};
use deed_core::event::Event;
use deed_core::fact::{Fact, Register, split};
use deed_core::version::{Instant, Version};
use proptest::prelude::*;
use uuid::Uuid;

/// What a database would hold: each register's version and fact, and last modifications.
#[derive(Debug, Default, PartialEq, Eq)]
struct State {
    registers: BTreeMap<Register, (Version, Fact)>,
    modified: BTreeMap<Uuid, (Version, Uuid)>,
}

impl State {
    fn apply(&mut self, batch: &[Event]) -> Vec<Outcome> {
        let held: Held = self
            .registers
            .iter()
            .map(|(register, (version, _))| (*register, version.clone()))
            .collect();
        let decision = decide(&held, batch);
        self.registers.extend(decision.taken);
        for (document, modification) in decision.modified {
            self.modified
                .insert(document, (modification.version, modification.by));
        }
        decision.outcomes
    }

    /// From all events at once: the greatest version of each register, and nothing else.
    fn recomputed(events: &[Event]) -> Self {
        let mut state = Self::default();
        for event in events {
            for (register, fact) in split(event) {
                if let (Register::Document(document, _), Some(by)) = (register, fact.modified_by())
                {
                    let candidate = (event.version.clone(), by);
                    let current = state.modified.entry(document).or_insert(candidate.clone());
                    *current = candidate.max(current.clone());
                }
                let candidate = (event.version.clone(), fact);
                let current = state.registers.entry(register).or_insert(candidate.clone());
                if candidate.0 > current.0 {
                    *current = candidate;
                }
            }
        }
        state
    }
}

fn event(id: u8, kind: &str, subject: u128, second: u32, data: &str) -> Event {
    let text = format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"{kind}","subject":"{}",
            "time":"2026-01-01T00:00:{second:02}Z","data":{data}}}"#,
        Uuid::from_u128(subject)
    );
    let latest = Instant::parse("latest", "9999-01-01T00:00:00Z").unwrap();
    Event::from_structured(&text, latest).unwrap()
}

/// Few subjects, times and ids, so that events meet, tie and contradict each other.
fn any_event() -> impl Strategy<Value = Event> {
    let principal = 10_u128..12;
    let data = (0_u8..6, principal.clone(), principal, 0_u8..3);
    (0_u8..4, 20_u128..22, 0_u32..4, data).prop_map(|(id, subject, second, (kind, a, b, value))| {
        let (a, b) = (Uuid::from_u128(a), Uuid::from_u128(b));
        let level = ["viewer", "editor", "owner"][usize::from(value)];
        let member = ["title", "metadata", "content"][usize::from(value)];
        match kind {
            0 => event(
                id,
                "document.created",
                subject,
                second,
                &format!(r#"{{"created_by":"{a}","title":"{value}"}}"#),
            ),
            1 => event(
                id,
                "document.updated",
                subject,
                second,
                &format!(r#"{{"updated_by":"{a}","{member}":null}}"#),
            ),
            2 => event(id, "document.deleted", subject, second, r#"{"by":null}"#),
            3 => event(
                id,
                "principal.registered",
                a.as_u128(),
                second,
                &format!(r#"{{"kind":"user","name":"{value}"}}"#),
            ),
            4 => event(
                id,
                "permission.granted",
                subject,
                second,
                &format!(r#"{{"recipient":"{a}","level":"{level}","granted_by":"{b}"}}"#),
            ),
            _ => event(
                id,
                "permission.revoked",
                subject,
                second,
                &format!(r#"{{"recipient":"{a}","revoked_by":"{b}"}}"#),
            ),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn any_order_duplication_and_batching_converge(
        events in proptest::collection::vec(any_event(), 1..12),
        order in any::<proptest::sample::Index>(),
        shuffle in any::<u64>(),
        batch in 1_usize..6,
    ) {
        let expected = State::recomputed(&events);

        let mut in_order = State::default();
        in_order.apply(&events);
        prop_assert_eq!(&in_order, &expected);

        let mut replayed: Vec<Event> = events.iter().chain(&events).cloned().collect();
        replayed.rotate_left(order.index(events.len()));
        replayed.sort_by_key(|event| {
            let digest = event.version.as_bytes().last().copied().unwrap_or_default();
            u64::from(digest).wrapping_mul(shuffle | 1)
        });
        let mut shuffled = State::default();
        for batch in replayed.chunks(batch) {
            shuffled.apply(batch);
        }
        prop_assert_eq!(&shuffled, &expected);

        let again = shuffled.apply(&replayed);
        prop_assert!(!again.contains(&Outcome::Applied), "{:?}", again);
    }

    /// A batch gives each event the outcome that it would have alone.
    #[test]
    fn batching_does_not_change_outcomes(
        events in proptest::collection::vec(any_event(), 1..12),
    ) {
        let mut alone = State::default();
        let one_by_one: Vec<Outcome> =
            events.iter().flat_map(|event| alone.apply(std::slice::from_ref(event))).collect();
        prop_assert_eq!(State::default().apply(&events), one_by_one);
    }
}

/// Everybody who created the document under one id owns it; the later creation is the creation.
#[test]
fn two_creations_converge_and_each_creator_owns() {
    let by = |creator: u128| format!(r#"{{"created_by":"{}"}}"#, Uuid::from_u128(creator));
    let first = event(1, "document.created", 20, 1, &by(10));
    let second = event(2, "document.created", 20, 2, &by(11));
    let mut state = State::default();
    assert_eq!(state.apply(&[second, first]), [Outcome::Applied; 2]);
    let owners = state
        .registers
        .keys()
        .filter(|register| matches!(register, Register::Permission { .. }));
    assert_eq!(owners.count(), 2);
    let modified = &state.modified[&Uuid::from_u128(20)];
    assert_eq!(modified.1, Uuid::from_u128(11));
}

/// A revoke or transfer that is later than the creation wins, whichever is applied first.
#[test]
fn the_creators_grant_is_an_ordinary_grant() {
    let created = event(
        1,
        "document.created",
        20,
        1,
        &format!(r#"{{"created_by":"{}"}}"#, Uuid::from_u128(10)),
    );
    let revoked = event(
        2,
        "permission.revoked",
        20,
        2,
        &format!(
            r#"{{"recipient":"{0}","revoked_by":"{0}"}}"#,
            Uuid::from_u128(10)
        ),
    );
    let mut state = State::default();
    assert_eq!(state.apply(&[revoked]), [Outcome::Applied]);
    // The creation takes its own register and leaves the newer tombstone.
    assert_eq!(state.apply(&[created]), [Outcome::Applied]);
    let permission = Register::Permission {
        document: Uuid::from_u128(20),
        recipient: Uuid::from_u128(10),
    };
    assert!(matches!(
        state.registers[&permission].1,
        Fact::Permission { level: None, .. }
    ));
}

/// One broken producer: the same id and time with other content still has one winner.
#[test]
fn equal_ids_with_other_content_converge() {
    let grant = |level: &str| {
        event(
            1,
            "permission.granted",
            20,
            1,
            &format!(
                r#"{{"recipient":"{0}","level":"{level}","granted_by":"{0}"}}"#,
                Uuid::from_u128(10)
            ),
        )
    };
    let (a, b) = (grant("viewer"), grant("owner"));
    let (mut one, mut other) = (State::default(), State::default());
    one.apply(&[a.clone(), b.clone()]);
    other.apply(&[b, a]);
    assert_eq!(one, other);
}
