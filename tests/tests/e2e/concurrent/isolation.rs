//! Above READ COMMITTED nothing is applied: a lock would be had without what its holder committed.

use deed_tests::event::{Clock, id};
use deed_tests::owner::{GROUP, TOPIC, topic_id};
use postgres::Error;

use crate::ground::Ground;

#[test]
fn nothing_is_applied_above_read_committed() {
    let mut ground = Ground::new("concurrent_isolation");
    let mut owner = ground.owner(0);
    let event = Clock::default().created(id("plan"), id("anne"), "Plan");
    let envelope = event.envelope().to_string();
    let record = [event.structured()];
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let refused = |what: &str, outcome: Result<(), Error>| {
            let error = outcome.expect_err(what);
            let code = error.code().map(|code| code.code().to_owned());
            assert_eq!(
                code.as_deref(),
                Some("PD002"),
                "{what} at {level}: {error:?}"
            );
        };
        let begin = format!("BEGIN ISOLATION LEVEL {level}");
        let client = owner.client();
        for (what, call) in [
            ("apply", format!("SELECT deed.apply('{envelope}')")),
            ("redrive", "SELECT * FROM deed.redrive('{}')".to_owned()),
            (
                "wait_for",
                format!("SELECT deed.wait_for('{TOPIC}:0:0', '0')"),
            ),
            (
                "claim",
                format!(
                    "SELECT * FROM deed.claim('{GROUP}', '{TOPIC}', 0, '{}')",
                    topic_id()
                ),
            ),
        ] {
            client.batch_execute(&begin).expect("begun");
            refused(what, client.batch_execute(&call));
            client.batch_execute("ROLLBACK").expect("ended");
        }
        client.batch_execute(&begin).expect("begun");
        refused("apply_batch", owner.apply(&record).map(drop));
        owner.client().batch_execute("ROLLBACK").expect("ended");
    }
    // And nothing of it was left.
    let rows = ground.client().query("SELECT FROM deed.document", &[]);
    assert!(rows.expect("documents").is_empty());
    owner.apply(&record).expect("the same claim still counts");
}
