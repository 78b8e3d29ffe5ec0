//! Checks and lists where Postgres makes it hard for what runs inside it: they answer as ever, and
//! write nothing.
//!
//! - [`isolation`]: what each isolation level sees; [`write_skew`]: check, then write, between
//!   serializable sessions
//! - [`plans`]: parallel workers; [`cursors`]: portals that outlive other sessions' commits
//! - [`transactions`]: subtransactions, savepoints, prepared transactions, and the locks they leave
//! - [`callers`]: roles, functions that run as others, hostile search paths
//! - [`rebuilds`]: indexes and the extension replaced meanwhile; [`churn`]: pages split and emptied;
//!   [`versions`]: one key that fills pages
//! - [`standby`]: a streaming replica
//! - [`silence`]: nothing is written; [`chains`]: groups in long chains and in circles

mod callers;
mod chains;
mod churn;
mod cursors;
mod isolation;
mod plans;
mod rebuilds;
mod silence;
mod standby;
mod transactions;
mod versions;
mod write_skew;

use deed_tests::differential::asking::expected;
use deed_tests::differential::state::{State, draw};
use deed_tests::differential::tell;
use deed_tests::event::Event;
use deed_tests::owner::Owner;
use deed_tests::postgres::Postgres;
use deed_tests::stage::shared_postgres;
use deed_tests::{answers, load, reference};
use postgres::types::FromSqlOwned;
use postgres::{Client, Error, SimpleQueryMessage};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;

/// A database with a random state, in which `app.triple` holds every principal, document and level
/// with the model's answer.
struct Scene {
    postgres: &'static Postgres,
    name: &'static str,
    owner: Owner,
    state: State,
}

impl Scene {
    fn new(name: &'static str) -> Self {
        Self::on(shared_postgres(), name)
    }

    fn on(postgres: &'static Postgres, name: &'static str) -> Self {
        postgres.create_database(name).expect("database");
        let connect = || postgres.admin(name).expect("connection");
        let mut rng = StdRng::seed_from_u64(load::seed());
        let state = draw(&mut rng);
        let mut owner = Owner::claim(connect(), 0).expect("claimed");
        tell(&mut owner, &state.events, &mut rng);
        let settled = reference::model(&state.events).settled();
        let now = answers::now(owner.client());
        let answers = expected(&settled, &state, &now);
        let answers = String::from_utf8(answers).expect("digits");
        let client = owner.client();
        client
            .batch_execute(
                "CREATE SCHEMA app;
                 CREATE TABLE app.triple (place bigint PRIMARY KEY, principal uuid NOT NULL,
                   document uuid NOT NULL, level deed.permission_level NOT NULL,
                   expected boolean NOT NULL)",
            )
            .expect("the triples' table");
        client
            .execute(
                "INSERT INTO app.triple
                 SELECT t.*, substr($3::text, t.place::integer, 1) = '1'
                 FROM (SELECT row_number() OVER (ORDER BY p.n, d.n, l) AS place, p.id, d.id, l
                   FROM unnest($1::uuid[]) WITH ORDINALITY AS p (id, n),
                     unnest($2::uuid[]) WITH ORDINALITY AS d (id, n),
                     unnest(enum_range(NULL::deed.permission_level)) AS l) AS t",
                &[&state.principals, &state.documents, &answers],
            )
            .expect("the triples");
        client.batch_execute("ANALYZE").expect("analysed");
        Self {
            postgres,
            name,
            owner,
            state,
        }
    }

    /// A superuser's connection of its own.
    fn session(&self) -> Client {
        self.postgres.admin(self.name).expect("connection")
    }

    /// Tells what nothing in the state is about, or the model would have to be told too.
    fn tell(&mut self, events: &[Event]) {
        let records: Vec<_> = events.iter().map(Event::structured).collect();
        assert_eq!(self.owner.apply(&records).expect("applied"), 0);
    }

    /// The session that has told the state.
    fn client(&mut self) -> &mut Client {
        self.owner.client()
    }
}

/// Counts the triples that are not answered as the model does.
const WRONG: &str = "SELECT count(*) FROM app.triple
    WHERE deed.has_permission(principal, document, level) IS DISTINCT FROM expected";

/// The same of one triple in so many.
fn some(wrong: &str, one_in: u32) -> String {
    format!("{wrong} AND place % {one_in} = 0")
}

/// The tables that checks and lists read.
const TABLES: [&str; 6] = [
    "permission",
    "document",
    "principal",
    "membership",
    "closure",
    "listing",
];

/// Counts the principals whose documents are not listed as the model says.
const WRONGLY_LISTED: &str = "SELECT count(*) FROM (
      SELECT principal, level, array_agg(document ORDER BY document) FILTER (WHERE expected) AS documents
      FROM app.triple GROUP BY principal, level) AS t,
    LATERAL (SELECT array_agg(document_id ORDER BY document_id) AS documents,
        array_agg(document_id ORDER BY ordinality) AS in_order
      FROM deed.list_documents(t.principal, t.level, 'id', page_size => 1000) WITH ORDINALITY) AS l
    WHERE t.documents IS DISTINCT FROM l.documents OR l.documents IS DISTINCT FROM l.in_order";

/// The one value that a query gives.
fn one<T: FromSqlOwned>(client: &mut Client, query: &str) -> T {
    let row = client.query_one(query, &[]);
    row.unwrap_or_else(|error| panic!("{query}: {error:?}"))
        .get(0)
}

/// What a query's plan has done, by EXPLAIN with these options and ANALYZE.
fn analyzed(client: &mut Client, options: &str, query: &str) -> Value {
    let explain = format!("EXPLAIN (ANALYZE, FORMAT JSON{options}) {query}");
    let messages = client.simple_query(&explain).expect(&explain);
    let text = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    serde_json::from_str(text.expect("a plan")).expect("JSON")
}

/// The sum of a number over all nodes of a plan.
fn sum(plan: &Value, name: &str) -> i64 {
    match plan {
        Value::Object(node) => {
            let here = node.get(name).and_then(Value::as_i64).unwrap_or(0);
            here + node.values().map(|value| sum(value, name)).sum::<i64>()
        }
        Value::Array(nodes) => nodes.iter().map(|node| sum(node, name)).sum(),
        _ => 0,
    }
}

/// Runs statements that must succeed.
fn run(client: &mut Client, statements: &str) {
    let outcome = client.batch_execute(statements);
    outcome.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
}

/// The SQLSTATE of a failure; 00000 where there was none.
fn code<T>(outcome: Result<T, Error>) -> String {
    outcome.err().map_or_else(
        || "00000".to_owned(),
        |error| {
            error
                .code()
                .map_or_else(|| error.to_string(), |code| code.code().to_owned())
        },
    )
}
