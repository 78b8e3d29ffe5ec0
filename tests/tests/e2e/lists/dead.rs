//! Rows that have moved stay in the index until vacuum comes, marked as dead or not.

use deed_tests::event::{Clock, id};

use uuid::Uuid;

use crate::ground::Ground;

/// More pages than are read between two looks for interrupts.
const MOVED: usize = 40_000;

/// Newer documents than the dead rows: more than are read of a range at first.
const NEWER: usize = 20;

#[test]
fn a_page_comes_behind_any_number_of_dead_rows() {
    let mut ground = Ground::new("lists_dead");
    let clock = &mut Clock::default();
    let [plan, anne, bob] = ["plan", "anne", "bob"].map(id);
    let mut events = vec![
        clock.created(plan, anne, "Plan"),
        clock.granted(plan, bob, "viewer", anne),
    ];
    let mut expected = Vec::new();
    for n in 0..NEWER {
        let newer = id(&format!("newer {n}"));
        let mut created = clock.created(newer, anne, "Newer");
        created.time = format!("2026-03-{:02}T00:00:00Z", 28 - n);
        events.extend([created, clock.granted(newer, bob, "viewer", anne)]);
        expected.push(newer);
    }
    expected.push(plan);
    let records: Vec<_> = events.iter().map(|event| event.structured()).collect();
    ground.owner(0).apply(&records).expect("applied");
    let client = ground.client();
    let moved = format!(
        "INSERT INTO deed.listing
           SELECT '{bob}', 'viewer', '2026-02-01'::timestamptz + n * interval '1 second', md5(n::text)::uuid
           FROM generate_series(1, {MOVED}) AS n;
         DELETE FROM deed.listing AS l
           WHERE NOT EXISTS (SELECT FROM deed.document AS d WHERE d.id = l.document_id);
         SET enable_seqscan = off"
    );
    client.batch_execute(&moved).expect("moved");
    let page = format!("SELECT document_id FROM deed.list_documents('{bob}')");
    // Whoever reads the index through Postgres marks as dead what nobody sees any more.
    let mark = format!(
        "SELECT count(*) FROM deed.listing WHERE recipient_id = '{bob}' AND level = 'viewer'"
    );
    for _ in 0..3 {
        let rows = client.query(&page, &[]).expect("a page");
        let rows: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(rows, expected);
        let left: i64 = client.query_one(&mark, &[]).expect("counted").get(0);
        assert_eq!(left as usize, expected.len());
    }
}
