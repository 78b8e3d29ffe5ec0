//! Records that Postgres refuses though they can be read: the batch is divided until they are found.

use deed_tests::event::{Clock, id};
use deed_tests::stage::{Line, PLACE};

/// As a constraint of the operator's own would.
const REFUSE: &str = "
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN
      IF new.title LIKE 'refused%' THEN RAISE EXCEPTION 'no such title' USING ERRCODE = '23514'; END IF;
      RETURN new;
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON deed.document FOR EACH ROW EXECUTE FUNCTION public.refuse()";

#[test]
fn those_that_postgres_refuses_are_found_and_quarantined_and_the_rest_is_applied() {
    let line = Line::shared("refused_records", 1);
    let mut client = line.admin();
    client.batch_execute(REFUSE).expect("refuses");
    let mut clock = Clock::default();
    let anne = id("refused anne");
    let refused = [0, 1, 417, 999];
    let record = |n: usize| {
        let title = match refused.contains(&n) {
            true => format!("refused {n}"),
            false => format!("taken {n}"),
        };
        clock.created(id(&title), anne, &title).structured()
    };
    let records: Vec<_> = (0..1_000).map(record).collect();
    line.send(&records);
    let _consumer = line.consumer("a");
    line.wait_until_applied();
    let kept = client
        .query(
            "SELECT record_offset, reason FROM deed.quarantine ORDER BY record_offset",
            &[],
        )
        .expect("quarantine");
    let offsets: Vec<i64> = kept.iter().map(|row| row.get(0)).collect();
    assert_eq!(offsets, refused.map(|n| n as i64));
    let reason: String = kept[0].get(1);
    assert!(
        reason.contains("23514") && reason.contains("no such title"),
        "{reason}"
    );
    let taken = "SELECT count(*) FROM deed.document WHERE title LIKE 'taken%'";
    let taken: i64 = client.query_one(taken, &[]).expect(taken).get(0);
    assert_eq!(taken, 996);

    // Mended, they are applied as if nothing had been.
    client
        .batch_execute("DROP TRIGGER refuse ON deed.document")
        .expect("mended");
    let spec = line.consumer_spec("operator");
    let redriven = spec
        .ask(&PLACE, &["quarantine", "redrive", "--all"])
        .expect("runs");
    assert_eq!(redriven.said.matches("applied").count(), 4, "{redriven:?}");
    let left = "SELECT count(*) FROM deed.quarantine";
    let left: i64 = client.query_one(left, &[]).expect(left).get(0);
    assert_eq!(left, 0);
}
