//! Parallel workers answer as their leader does, under its snapshot.

use postgres::Client;

use super::{Scene, WRONG, analyzed, one, run, sum};

/// Every read of a table goes to workers where the planner may send it there.
const PARALLEL: &str = "SET max_parallel_workers_per_gather = 3; SET parallel_setup_cost = 0;
    SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
    SET parallel_leader_participation = off";

fn launched(client: &mut Client, query: &str) -> i64 {
    sum(&analyzed(client, "", query), "Workers Launched")
}

#[test]
fn workers_answer_as_their_leader_does() {
    let mut scene = Scene::new("plans_parallel");
    let mut client = scene.session();
    run(&mut client, PARALLEL);
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        run(&mut client, &format!("BEGIN ISOLATION LEVEL {level}"));
        assert!(launched(&mut client, WRONG) > 0, "no worker at {level}");
        assert_eq!(one::<i64>(&mut client, WRONG), 0, "{level}");
        run(&mut client, "COMMIT");
    }
    let levels = "SELECT count(*) FROM app.triple WHERE expected IS DISTINCT FROM
        coalesce(deed.effective_level(principal, document) >= level, false)";
    assert!(launched(&mut client, levels) > 0);
    assert_eq!(one::<i64>(&mut client, levels), 0);

    // Workers see what their leader has written and not committed.
    let deleted = scene.state.documents.clone();
    run(&mut client, "BEGIN");
    client
        .execute(
            "UPDATE deed.document SET deleted_at = now() WHERE id = ANY ($1)",
            &[&deleted],
        )
        .expect("deleted");
    let held = "SELECT count(*) FROM app.triple
        WHERE deed.has_permission(principal, document, level)";
    assert!(launched(&mut client, held) > 0);
    assert_eq!(one::<i64>(&mut client, held), 0);
    assert!(one::<i64>(scene.client(), held) > 0, "nobody else does");
    run(&mut client, "ROLLBACK");
    assert_eq!(one::<i64>(&mut client, WRONG), 0);
}

/// Lists and all else that is not for workers stay with the leader, above and below a Gather.
#[test]
fn a_query_that_is_forced_into_a_worker_answers_the_same() {
    let scene = Scene::new("plans_forced");
    let mut client = scene.session();
    let version: i32 = one(
        &mut client,
        "SELECT current_setting('server_version_num')::integer",
    );
    let forced = match version < 160_000 {
        true => "force_parallel_mode",
        false => "debug_parallel_query",
    };
    let questions = [
        WRONG,
        "SELECT count(*) FROM (SELECT DISTINCT principal FROM app.triple) AS p,
           LATERAL deed.list_documents(p.principal)",
        "SELECT count(*) FROM (SELECT DISTINCT document FROM app.triple) AS d,
           LATERAL deed.list_principals(d.document, 'editor')",
        "SELECT count(*) FROM (SELECT DISTINCT principal FROM app.triple) AS p,
           LATERAL deed.check_many(p.principal, (SELECT array_agg(DISTINCT document) FROM app.triple),
             'viewer') AS c WHERE c.allowed",
        "SELECT count(*) FROM app.triple AS t WHERE expected AND level = 'viewer' AND NOT EXISTS (
           SELECT FROM deed.list_documents(t.principal, page_size => 1000) AS l
           WHERE l.document_id = t.document)",
    ];
    let expected = questions.map(|question| one::<i64>(&mut client, question));
    assert!(expected[1] > 0 && expected[2] > 0 && expected[3] > 0);
    run(&mut client, PARALLEL);
    for setting in ["on", "regress"] {
        run(&mut client, &format!("SET {forced} = {setting}"));
        let one_worker = "SELECT deed.has_permission(deed.everyone(), deed.users(), 'viewer')";
        assert!(launched(&mut client, one_worker) > 0 || setting == "regress");
        let found = questions.map(|question| one::<i64>(&mut client, question));
        assert_eq!(found, expected, "{forced} = {setting}");
    }
}
