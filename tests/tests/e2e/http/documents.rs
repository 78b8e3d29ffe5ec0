//! `GET /documents`: PostgREST's own ways to ask, and what no filter can see through.

use deed_tests::event::{Clock, id};
use deed_tests::owner::Owner;
use deed_tests::postgres::connect;
use deed_tests::postgrest::token::token;
use deed_tests::postgrest::{Answer, Request};
use deed_tests::stage::{JWT_SECRET, Line};
use serde_json::json;
use uuid::Uuid;

use super::{Findings, MINUTE, Scene, document, either, ids, of, who};

#[test]
fn filters_columns_and_forms_are_those_of_postgrest() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    let alice = of("alice");
    let a = Some(alice.as_str());
    for (path, body) in [
        (
            "/documents?title=eq.One&select=title",
            json!([{ "title": "One" }]),
        ),
        (
            "/documents?id=in.(D1,D2,D4)&select=title&order=title",
            json!([{ "title": "Four" }, { "title": "One" }]),
        ),
        (
            "/documents?level=eq.owner&select=id&order=id",
            ids(&[1, 5], "id"),
        ),
        (
            "/documents?title=like.F*&select=name:title&order=title.desc",
            json!([{ "name": "Four" }, { "name": "Five" }]),
        ),
        (
            "/documents?select=title&order=title&limit=1&offset=1",
            json!([{ "title": "Four" }]),
        ),
    ] {
        findings.gives(path, &scene.get(a, path), &body);
    }
    let accepting = |accept: &str, path: &str| -> Answer {
        let request = Request::get(&Scene::path(path)).bearer(a);
        scene.ask(request.header("Accept", accept))
    };
    let singular = "application/vnd.pgrst.object+json";
    let one = accepting(singular, "/documents?id=eq.D1&select=title");
    findings.gives("singular", &one, &json!({ "title": "One" }));
    for path in [
        "/documents?id=eq.D2&select=title",
        "/documents?id=eq.D9&select=title",
        "/documents?select=title",
    ] {
        findings.refuses(path, &accepting(singular, path), 406, "PGRST116", "");
    }
    let csv = accepting("text/csv", "/documents?select=title,level&order=title");
    findings.expect(
        &format!("{csv:?}"),
        csv.body == "title,level\nFive,owner\nFour,viewer\nOne,owner",
    );
    let plan = accepting("application/vnd.pgrst.plan+json", "/documents?id=eq.D1");
    findings.refuses("a plan", &plan, either(415, 406), "PGRST107", "");
    let other = Request::get("/documents").header("Accept-Profile", "deed");
    findings.refuses("a schema", &scene.ask(other), 406, "PGRST106", "");
}

/// A pattern that ends in its escape fails where a title fits all that stands before: only on rows
/// that the caller can see.
#[test]
fn a_filter_does_not_run_on_hidden_rows() {
    let scene = Scene::shared();
    let mut findings = Findings::default();
    let [alice, bob] = ["alice", "bob"].map(of);
    let pattern = "/documents?select=id&title=like.Tw%5C";
    let nobody = scene.get(None, pattern);
    findings.gives("nobody", &nobody, &json!([]));
    findings.gives("alice", &scene.get(Some(&alice), pattern), &json!([]));
    let seen = scene.get(Some(&bob), pattern);
    findings.refuses("bob", &seen, 400, "22025", "");
}

/// What a plan says of the order: the caller's filters stand above the one that hides rows, but those
/// that can't tell anything, which Postgres calls leakproof; and the point read uses its index.
#[test]
fn filters_stand_behind_the_barrier() {
    let scene = Scene::shared();
    let mut client = scene.line.admin();
    let setting = format!(
        "SELECT set_config('deed.principal', '{}', false)",
        who("alice")
    );
    client.batch_execute(&setting).expect("a principal");
    client
        .batch_execute("SET ROLE deed_user; SET enable_seqscan = off")
        .expect("a role");
    let mut plan = |filter: &str| {
        let sql =
            format!("EXPLAIN (COSTS OFF, VERBOSE) SELECT id FROM api.documents WHERE {filter}");
        let rows = client.query(&sql, &[]).expect("a plan");
        let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        lines.join("\n")
    };
    for leaky in [
        "title LIKE 'Tw%'",
        "title ~ '(a+)+$'",
        "content ->> 'x' = 'y'",
        "metadata @> '{}'",
        "last_modified > '2026-01-01'::date",
    ] {
        let plan = plan(leaky);
        let operator = leaky
            .split(' ')
            .nth(1)
            .expect("an operator")
            .replace("LIKE", "~~");
        let at = |what: &str| {
            plan.find(what)
                .unwrap_or_else(|| panic!("{what} in\n{plan}"))
        };
        assert!(at(&operator) < at("document_level"), "{plan}");
        assert!(at(&operator) < at("level IS NOT NULL"), "{plan}");
    }
    let point = plan(&format!("id = '{}'", document(1)));
    assert!(point.contains("Index Cond: (d.id ="), "{point}");
}

/// A database with more documents of one title and one owner than an answer has rows.
fn many(name: &str) -> (Line<'static>, Uuid) {
    let line = Line::shared(name, 1);
    let (mut clock, anne) = (Clock::default(), id("anne"));
    let created = |n: u32| {
        clock
            .created(id(&format!("document {n}")), anne, "Plan")
            .structured()
    };
    let records: Vec<_> = (0..1001).map(created).collect();
    let login = connect(&line.postgres.consumer_url(&line.name)).expect("a login");
    let mut owner = Owner::claim(login, 0).expect("claimed");
    owner.apply(&records).expect("applied");
    (line, anne)
}

/// Counts are refused, but PostgREST takes a preference from any of several headers and shows Deed
/// only the last. Then the estimate must not tell what is in hidden rows.
#[test]
fn an_estimate_tells_nothing_of_hidden_titles() {
    let (line, _) = many("http_estimates");
    line.admin()
        .batch_execute("ANALYZE deed.document")
        .expect("analyzed");
    let http = line.postgrest();
    let estimate = |filter: &str| {
        let path = format!("/documents?select=id&{filter}");
        let request = Request::get(&path).header("Prefer", "count=planned");
        let answer = http.ask(request.header("Prefer", "return=minimal"));
        let range = answer.expect("an answer").header("content-range");
        range.expect("a range")
    };
    assert_eq!(estimate("title=eq.Plan"), estimate("title=eq.Nothing"));
    // Where the ids of a sample lie would tell which they are.
    let above =
        |first: &str| estimate(&format!("id=gt.{first}0000000-0000-0000-0000-000000000000"));
    for first in ["1", "5", "9", "d", "f"] {
        assert_eq!(above(first), above("0"), "{first}");
    }
}

/// And a route of this test's own tells how long its role may take.
#[test]
fn an_answer_has_a_thousand_rows_at_most_and_a_role_its_time() {
    let (line, anne) = many("http_bounds");
    let probe = "CREATE FUNCTION api.probe() RETURNS text STABLE
          RETURN current_setting('statement_timeout');
        GRANT EXECUTE ON FUNCTION api.probe() TO deed_anon, deed_user, deed_service";
    line.admin().batch_execute(probe).expect("a probe");
    let http = line.postgrest();
    let user = token(JWT_SECRET, "deed_user", Some(anne), MINUTE);
    let service = token(JWT_SECRET, "deed_service", None, MINUTE);
    for (bearer, path) in [
        (&user, "/documents?select=id"),
        (&user, "/rpc/list_documents?page_size=1000&select=level"),
        (&service, "/documents?select=id"),
    ] {
        let rows = http.get(path, Some(bearer)).expect("an answer").json();
        assert_eq!(rows.as_array().map(Vec::len), Some(1000), "{path}");
    }
    for (bearer, time) in [(None, "3s"), (Some(user), "5s"), (Some(service), "10s")] {
        let answer = http
            .get("/rpc/probe", bearer.as_deref())
            .expect("an answer");
        assert_eq!(answer.json(), json!(time), "{answer:?}");
    }
}
