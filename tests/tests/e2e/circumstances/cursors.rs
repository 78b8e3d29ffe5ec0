//! Cursors in SQL: a portal keeps its snapshot while others commit, and checks behind it too.

use postgres::Client;

use super::{Scene, one, run};

/// In each row the answer of every function to one triple, and the model's.
const ANSWERS: &str =
    "SELECT t.place, t.expected, deed.has_permission(t.principal, t.document, t.level),
      coalesce(deed.effective_level(t.principal, t.document) >= t.level, false),
      (SELECT allowed FROM deed.check_many(t.principal, ARRAY[t.document], t.level)),
      EXISTS (SELECT FROM deed.list_documents(t.principal, t.level, page_size => 1000) AS l
        WHERE l.document_id = t.document)
    FROM app.triple AS t WHERE t.place % 17 = 0 ORDER BY t.place";

/// How many rows the command gives, and how many of them are not as the model says.
fn fetch(client: &mut Client, command: &str) -> (usize, usize) {
    let rows = client.query(command, &[]).expect(command);
    let wrong =
        |row: &&postgres::Row| (2..6).any(|n| row.get::<_, bool>(n) != row.get::<_, bool>(1));
    (rows.len(), rows.iter().filter(wrong).count())
}

/// Ends everything that anybody holds, and rebuilds what checks read.
fn upheaval(client: &mut Client) {
    run(
        client,
        "UPDATE deed.document SET deleted_at = now();
         DELETE FROM deed.permission; DELETE FROM deed.listing",
    );
    // Its lock would wait for the cursor's transaction.
    run(
        client,
        "VACUUM deed.permission, deed.document, deed.listing",
    );
}

#[test]
fn a_cursor_answers_by_its_own_snapshot() {
    for (name, level) in [
        ("cursors_committed", "READ COMMITTED"),
        ("cursors_repeatable", "REPEATABLE READ"),
        ("cursors_serializable", "SERIALIZABLE"),
    ] {
        let mut scene = Scene::new(name);
        let mut client = scene.session();
        let total: i64 = one(
            &mut client,
            &format!("SELECT count(*) FROM ({ANSWERS}) AS a"),
        );
        run(
            &mut client,
            &format!(
                "BEGIN ISOLATION LEVEL {level};
                 DECLARE one SCROLL CURSOR FOR {ANSWERS}; DECLARE two CURSOR WITH HOLD FOR {ANSWERS}"
            ),
        );
        let (mut rows, mut wrong) = fetch(&mut client, "FETCH 10 FROM one");
        fetch(&mut client, "FETCH 5 FROM two");
        upheaval(scene.client());
        for size in [1, 7, 50, 100_000] {
            let (more, false_ones) = fetch(&mut client, &format!("FETCH {size} FROM one"));
            rows += more;
            wrong += false_ones;
        }
        assert_eq!((rows as i64, wrong), (total, 0), "{level}");
        assert_eq!(
            fetch(&mut client, "FETCH BACKWARD ALL FROM one"),
            (rows, 0),
            "{level}: backwards"
        );
        // The rest of a cursor that is held is computed when its transaction ends.
        run(&mut client, "COMMIT");
        assert_eq!(
            fetch(&mut client, "FETCH ALL FROM two"),
            (rows - 5, 0),
            "{level}: held"
        );
        let held =
            "SELECT count(*) FROM app.triple WHERE deed.has_permission(principal, document, level)";
        assert_eq!(one::<i64>(&mut client, held), 0, "{level}: behind it");
    }
}

/// As plpgsql reads a query row by row, and changes what the next row will say.
#[test]
fn a_loop_over_a_query_that_changes_what_it_asks() {
    let mut scene = Scene::new("cursors_loop");
    let client = scene.client();
    run(
        client,
        "CREATE FUNCTION app.revoke_as_it_goes(OUT asked bigint, OUT wrong bigint) LANGUAGE plpgsql AS $$
         DECLARE t record;
         BEGIN
           asked := 0; wrong := 0;
           FOR t IN SELECT principal, document, level, expected,
               deed.has_permission(principal, document, level) AS allowed
             FROM app.triple WHERE place % 5 = 0
           LOOP
             asked := asked + 1;
             wrong := wrong + (t.allowed <> t.expected)::integer;
             DELETE FROM deed.permission WHERE document_id = t.document;
             -- A statement of its own: it sees what the loop has done.
             wrong := wrong + deed.has_permission(t.principal, t.document, 'viewer')::integer;
           END LOOP;
         END $$",
    );
    let row = client
        .query_one("SELECT asked, wrong FROM app.revoke_as_it_goes()", &[])
        .expect("the loop");
    assert!(row.get::<_, i64>(0) > 1_000);
    assert_eq!(row.get::<_, i64>(1), 0);
}
