//! Checks and lists write nothing: no transaction id, no row, no temporary table, and once the
//! tables are vacuumed no WAL, not even for a hint.

use postgres::Client;

use super::{Scene, analyzed, one, run, sum};

/// Most of them ask about 10,000 things at least, once.
const TEN_THOUSAND: [(&str, &str); 8] = [
    (
        "checks",
        "SELECT count(*) FROM app.triple AS t, generate_series(1, 2) AS n
           WHERE deed.has_permission(t.principal, t.document, t.level)",
    ),
    (
        "levels",
        "SELECT count(deed.effective_level(t.principal, t.document)) FROM app.triple AS t,
           generate_series(1, 2) AS n",
    ),
    (
        "checks of many",
        "SELECT count(*) FILTER (WHERE c.allowed) FROM
           (SELECT array_agg(DISTINCT document) AS documents FROM app.triple) AS d,
           (SELECT DISTINCT principal, level FROM app.triple) AS p,
           LATERAL deed.check_many(p.principal, d.documents, p.level) AS c",
    ),
    (
        "lists of documents",
        "SELECT count(*) FROM (SELECT DISTINCT principal, level FROM app.triple) AS p,
           unnest(enum_range(NULL::deed.document_sort)) AS s, generate_series(1, 9) AS n,
           LATERAL deed.list_documents(p.principal, p.level, s, page_size => n)",
    ),
    (
        "lists of principals",
        "SELECT count(*) FROM (SELECT DISTINCT document, level FROM app.triple) AS d,
           generate_series(1, 9) AS n, LATERAL deed.list_principals(d.document, d.level, page_size => n * 9)",
    ),
    (
        "lists of permissions",
        "SELECT count(*) FROM (SELECT DISTINCT document FROM app.triple) AS d,
           generate_series(1, 9) AS n, LATERAL deed.list_permissions(d.document, page_size => n * 9)",
    ),
    (
        "checks for the current principal",
        "SELECT count(*) FROM app.triple AS t, generate_series(1, 2) AS n
           WHERE deed.has_permission(t.document, t.level) OR deed.effective_level(t.document) IS NULL",
    ),
    (
        "explanations",
        "SELECT count(*) FROM (SELECT DISTINCT principal, document FROM app.triple) AS t,
           LATERAL deed.explain_permission(t.principal, t.document)",
    ),
];

/// What a session may have left: its transaction's id, rows in the extension's tables, a schema of
/// temporary tables.
const LEFT: &str = "SELECT concat_ws(' ', pg_current_xact_id_if_assigned(),
    nullif((SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)
      FROM pg_stat_xact_all_tables), 0),
    nullif(pg_my_temp_schema(), 0))";

fn assert_silent(client: &mut Client, name: &str, query: &str) {
    // Finds the indexes, and what else a session looks up once.
    run(client, query);
    run(client, "BEGIN");
    let plan = analyzed(client, ", BUFFERS, WAL", query);
    for number in [
        "WAL Records",
        "WAL FPI",
        "WAL Bytes",
        "Shared Dirtied Blocks",
        "Temp Written Blocks",
        "Local Written Blocks",
    ] {
        assert_eq!(sum(&plan, number), 0, "{name}: {number}");
    }
    assert!(sum(&plan, "Shared Hit Blocks") > 0, "{name} reads nothing");
    assert_eq!(one::<String>(client, LEFT), "", "{name}");
    run(client, "COMMIT");
}

#[test]
fn ten_thousand_checks_and_lists_write_nothing() {
    let mut scene = Scene::new("silence");
    // The catalogs too, which were just written.
    run(scene.client(), "VACUUM (FREEZE)");
    let mut client = scene.session();
    let somebody: String = one(
        &mut client,
        "SELECT principal::text FROM app.triple LIMIT 1",
    );
    run(&mut client, &format!("SET deed.principal = '{somebody}'"));
    for (name, query) in TEN_THOUSAND {
        assert_silent(&mut client, name, query);
    }
    // A read-only transaction suffices.
    run(&mut client, "SET default_transaction_read_only = on");
    for (_, query) in TEN_THOUSAND {
        run(&mut client, query);
    }

    // What the measure sees: a hint bit is enough to dirty a page.
    let mut writer = scene.session();
    run(
        &mut writer,
        "UPDATE app.triple SET expected = NOT expected WHERE place = 1",
    );
    run(&mut writer, "CHECKPOINT");
    let plan = analyzed(
        scene.client(),
        ", BUFFERS, WAL",
        "SELECT count(*) FROM app.triple",
    );
    assert!(sum(&plan, "Shared Dirtied Blocks") > 0);
}
