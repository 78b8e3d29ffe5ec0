//! Rows that have moved stay in the index until vacuum comes, marked as dead or not.

use deed_tests::event::{Clock, id};

use crate::ground::Ground;

/// More pages than are read between two looks for interrupts.
const MOVED: usize = 40_000;

#[test]
fn a_page_comes_behind_any_number_of_dead_rows() {
    let mut ground = Ground::new("lists_dead");
    let clock = &mut Clock::default();
    let [plan, anne, bob] = ["plan", "anne", "bob"].map(id);
    let events = [
        clock.created(plan, anne, "Plan"),
        clock.granted(plan, bob, "viewer", anne),
    ];
    let records = events.map(|event| event.structured());
    ground.owner(0).apply(&records).expect("applied");
    let client = ground.client();
    let moved = format!(
        "INSERT INTO deed.listing
           SELECT '{bob}', 'viewer', now() + n * interval '1 second', md5(n::text)::uuid
           FROM generate_series(1, {MOVED}) AS n;
         DELETE FROM deed.listing WHERE document_id <> '{plan}';
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
        let rows: Vec<uuid::Uuid> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(rows, [plan]);
        let left: i64 = client.query_one(&mark, &[]).expect("counted").get(0);
        assert_eq!(left, 1);
    }
}
