//! Whoever waits for a quarantined record holds nothing that others wait for but its position.

use std::thread;

use deed_tests::event::{Clock, id, structured};
use deed_tests::owner::{Owner, TOPIC};
use deed_tests::process::wait_until;
use deed_tests::stage::DEADLINE;

use crate::ground::Ground;

/// A redrive that is not committed keeps another group's batch of the same record waiting, whose
/// groups others must be able to change meanwhile.
#[test]
fn a_batch_waits_for_a_redrive_before_it_locks_anything() {
    let mut ground = Ground::new("concurrent_quarantine");
    let mut clock = Clock::default();
    let [top, middle, low, anne] = ["top", "middle", "low", "anne"].map(id);
    let mut first = ground.owner(0);
    let mut second =
        Owner::claim_for(ground.session(), "another group", TOPIC, 0).expect("claimed");
    let mut others = ground.owner(1);
    others
        .apply(&[clock.member_added(low, anne).structured()])
        .expect("applied");
    let broken = structured("x", "{");
    assert_eq!(
        first.apply(std::slice::from_ref(&broken)).expect("applied"),
        1
    );

    let mut redriving = ground.session();
    redriving
        .batch_execute("BEGIN; DELETE FROM deed.quarantine")
        .expect("as a redrive does");
    let session: i32 = second
        .client()
        .query_one("SELECT pg_backend_pid()", &[])
        .expect("a session")
        .get(0);
    thread::scope(|scope| {
        let edge = clock.member_added(middle, low).structured();
        let waiting = scope.spawn(|| second.apply(&[broken, edge]).expect("applied"));
        wait_until("the other group waits", DEADLINE, || {
            let query = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)";
            let row = ground.client().query_one(query, &[&session]).expect(query);
            row.get::<_, bool>(0).then_some(())
        })
        .expect("waits");
        let next = clock.member_added(top, middle).structured();
        others
            .client()
            .batch_execute("SET lock_timeout = '10s'")
            .expect("set");
        let applied = others.apply(&[next]);
        redriving.batch_execute("COMMIT").expect("committed");
        assert_eq!(waiting.join().expect("the other group"), 1);
        applied.expect("nobody is in the way");
    });
}
