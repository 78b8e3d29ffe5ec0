use std::time::Duration;

use deed_tests::audit;
use deed_tests::consumer::{Membership, Spec};
use deed_tests::event::Record;
use deed_tests::process::{Process, Signal, wait_until};
use deed_tests::stage::{DEADLINE, Line, PLACE, SESSION_TIMEOUT};

use super::documents;

const PARTITIONS: i32 = 6;
/// Records between two changes of the group.
const LOAD: u32 = 1_200;

type Keys = &'static [(&'static str, &'static str)];

const RANGE: Keys = &[("partition.assignment.strategy", "range")];
const STICKY: Keys = &[("partition.assignment.strategy", "cooperative-sticky")];
const BY_THE_BROKER: Keys = &[];

/// One consumer of a group.
struct Member<'a> {
    line: &'a Line<'static>,
    membership: Membership,
    keys: Keys,
    is_static: bool,
}

impl Member<'_> {
    fn spec(&self, name: &str) -> Spec {
        let mut spec = self.line.consumer_spec(name);
        spec.command = "ingest";
        spec.membership = self.membership;
        spec.kafka = self
            .keys
            .iter()
            .map(|(k, v)| (*k, (*v).to_owned()))
            .collect();
        if self.is_static {
            spec.kafka.push(("group.instance.id", name.to_owned()));
        }
        spec
    }

    fn start(&self, name: &str) -> Process {
        self.spec(name).start(&PLACE).expect("consumer")
    }
}

fn assigned(consumer: &Process) -> bool {
    consumer.log().contains("partition assigned")
}

fn wait_until_assigned(consumer: &Process) {
    wait_until("it has partitions", DEADLINE, || {
        assigned(consumer).then_some(())
    })
    .expect("assigned");
}

/// Three consumers come and go, in order and by force, while records come in; none is missing or applied twice.
fn moves_partitions(name: &'static str, membership: Membership, keys: Keys, is_static: bool) {
    let line = Line::shared(name, PARTITIONS);
    let group = Member {
        line: &line,
        membership,
        keys,
        is_static,
    };
    let mut admin = line.admin();
    audit::begin(&mut admin);
    let mut round = 0;
    let mut load = || {
        round += 1;
        let mut records = documents(&format!("{name} {round}"), LOAD);
        let spread =
            |(n, record): (usize, &mut Record)| record.partition = Some(n as i32 % PARTITIONS);
        records.iter_mut().enumerate().for_each(spread);
        line.send(&records);
    };
    let mut first = group.start("first");
    wait_until_assigned(&first);
    load();
    let mut second = group.start("second");
    load();
    let third = group.start("third");
    for member in [&second, &third] {
        // A member that has just left may be waited for, up to its session's end.
        wait_until_assigned(member);
    }
    load();
    second.stop(DEADLINE).expect("stops");
    load();
    first.kill();
    load();
    let _second = group.start("second");
    load();
    line.wait_until_applied();
    let ends = line.kafka.ends(&line.topics[0]).expect("ends");
    let missing_and_doubled = audit::missing_and_doubled(&mut admin, &ends);
    assert_eq!(missing_and_doubled, (0, 0), "missing and doubled");
    assert_eq!(audit::late_moves(&mut admin), 0);
    drop(third);
}

const CLASSIC: Membership = Membership::Classic {
    session_timeout: SESSION_TIMEOUT,
};

#[test]
fn range_moves_whole_assignments() {
    moves_partitions("groups_range", CLASSIC, RANGE, false);
}

#[test]
fn cooperative_sticky_moves_partitions() {
    moves_partitions("groups_sticky", CLASSIC, STICKY, false);
}

#[test]
fn the_newer_protocol_moves_partitions() {
    moves_partitions("groups_newer", Membership::Newer, BY_THE_BROKER, false);
}

#[test]
fn static_members_of_a_classic_group_move_partitions() {
    moves_partitions("groups_static_range", CLASSIC, RANGE, true);
    moves_partitions("groups_static_sticky", CLASSIC, STICKY, true);
}

#[test]
fn static_members_of_the_newer_protocol_move_partitions() {
    moves_partitions(
        "groups_static_newer",
        Membership::Newer,
        BY_THE_BROKER,
        true,
    );
}

/// Its place is kept until its session ends, so the others see no rebalance.
#[test]
fn a_static_member_that_restarts_in_time_keeps_its_partitions() {
    let line = Line::shared("groups_kept", PARTITIONS);
    let group = Member {
        line: &line,
        membership: Membership::Classic {
            session_timeout: Duration::from_secs(60),
        },
        keys: STICKY,
        is_static: true,
    };
    let mut first = group.start("first");
    wait_until_assigned(&first);
    let second = group.start("second");
    wait_until_assigned(&second);
    wait_until("both are settled", DEADLINE, || {
        let revoked = first.log().matches("partition revoked").count();
        (revoked == PARTITIONS as usize / 2).then_some(())
    })
    .expect("shared out");
    first.kill();
    line.send(&documents("groups_kept", 100));
    let _first = group.start("first");
    line.wait_until_applied();
    assert!(
        !second.log().contains("partition revoked"),
        "{}",
        second.log()
    );
}

/// Ends with 1, by which a supervisor starts it again, and says why.
#[test]
fn an_instance_that_is_there_already_ends_and_says_so() {
    let line = Line::shared("groups_unreleased", PARTITIONS);
    let group = Member {
        line: &line,
        membership: Membership::Newer,
        keys: BY_THE_BROKER,
        is_static: true,
    };
    let first = group.start("first");
    wait_until_assigned(&first);
    let ends = |mut twin: Process, expected: &str| {
        let status = twin.wait(DEADLINE).expect("ends");
        assert_eq!(status.and_then(|status| status.code()), Some(1));
        let log = twin.log();
        assert!(
            log.contains(expected) && log.contains("group.instance.id"),
            "{log}"
        );
    };
    ends(group.start("first"), "UnreleasedInstanceId");
    // A killed one's place is free once its session has ended: a supervisor tries until then.
    first.signal(Signal::KILL);
    line.send(&documents("groups_unreleased", 100));
    let mut heir = group.start("first");
    wait_until("its heir is let in", DEADLINE, || {
        if !heir.lives() {
            heir = group.start("first");
        }
        assigned(&heir).then_some(())
    })
    .expect("let in");
    line.wait_until_applied();
}

/// The younger of two with one name stays.
#[test]
fn the_older_of_two_with_one_name_ends_and_says_so() {
    let line = Line::shared("groups_fenced", PARTITIONS);
    let group = Member {
        line: &line,
        membership: CLASSIC,
        keys: STICKY,
        is_static: true,
    };
    let mut first = group.start("first");
    wait_until_assigned(&first);
    let _twin = group.start("first");
    let status = first.wait(DEADLINE).expect("ends");
    assert_eq!(status.and_then(|status| status.code()), Some(1));
    let log = first.log();
    assert!(
        log.contains("FencedInstanceId") && log.contains("one of its own"),
        "{log}"
    );
    line.send(&documents("groups_fenced", 100));
    line.wait_until_applied();
}
