//! One prepared statement a time, over loopback TCP.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use postgres::Client;
use uuid::Uuid;

use super::draw::{Draw, Pair};
use super::report::{Report, Row};
use super::session::Fallible;
use super::world::World;
use crate::postgres::connect;

/// Requests of each kind, of each client.
const REQUESTS: usize = 14_000;

/// The check, its floor, and what a statement takes that does nothing.
const KINDS: [&str; 3] = [
    "SELECT deed.has_permission($1, $2, 'viewer')",
    "SELECT true FROM deed.permission WHERE recipient_id = $1 AND document_id = $2",
    "SELECT true WHERE $1::uuid <> $2::uuid",
];

/// Microseconds that each request took, of each kind.
type Times = [Vec<f64>; KINDS.len()];

/// Median of the time between asking and having the answer, in microseconds, of each kind.
fn medians(url: &str, clients: usize, pairs: &[(Uuid, Uuid)]) -> Fallible<[f64; KINDS.len()]> {
    let barrier = Barrier::new(clients);
    let of_clients: Vec<Times> = thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|number| {
                let (client, barrier) = (connect(url), &barrier);
                scope.spawn(move || requests(client?, number, pairs, barrier))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a client panicked".to_owned())?)
            .collect::<Result<_, String>>()
    })?;
    Ok(std::array::from_fn(|kind| {
        let mut all: Vec<f64> = of_clients
            .iter()
            .flat_map(|times| times[kind].clone())
            .collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    }))
}

/// The requests of one client: each pair by every kind in turn, so that whatever the machine does meanwhile
/// meets all of them, and none of them always finds the pages that the one before it has read.
fn requests(
    mut client: Client,
    number: usize,
    pairs: &[(Uuid, Uuid)],
    barrier: &Barrier,
) -> Result<Times, String> {
    let ask = |client: &mut Client| -> Result<Times, postgres::Error> {
        let statements = KINDS.map(|sql| client.prepare(sql));
        let mut times = Times::default();
        barrier.wait();
        for n in 0..REQUESTS {
            let (principal, document) = &pairs[(number * REQUESTS + n) % pairs.len()];
            for turn in 0..KINDS.len() {
                let kind = (n + turn) % KINDS.len();
                let statement = statements[kind].as_ref().expect("prepared");
                let began = Instant::now();
                client.query_opt(statement, &[principal, document])?;
                times[kind].push(began.elapsed().as_secs_f64() * 1e6);
            }
        }
        Ok(times)
    };
    ask(&mut client).map_err(|error| format!("over the socket: {error:?}"))
}

/// Direct grants and users that hold nothing.
pub fn measure(url: &str, world: &World, report: &mut Report) -> Fallible<()> {
    report.section("One prepared check over a socket");
    let mut draw = Draw::new(world);
    let allowed = draw.pairs(Draw::direct);
    let denied = draw.pairs(|draw| Some(draw.unrelated()));
    let ids = |pairs: &[Pair]| -> Vec<(Uuid, Uuid)> {
        let id = |pair: &Pair| (world.principal(pair.0), world.document(pair.1));
        pairs.iter().map(id).collect()
    };
    for (clients, goal) in [(1, 1.2), (4, 1.3)] {
        for (verdict, pairs) in [("allow", &allowed), ("deny", &denied)] {
            let [check, lookup, nothing] = medians(url, clients, &ids(pairs))?;
            let plural = if clients == 1 { "client" } else { "clients" };
            report.add(Row::against(
                format!("one check over a socket, p50, {clients} {plural}, {verdict}"),
                "us",
                check,
                ("lookup of the permission by its primary key", lookup),
                Some(goal),
            ));
            let name = format!("a statement that does nothing, p50, {clients} {plural}, {verdict}");
            report.add(Row::alone(name, "us", nothing));
        }
    }
    Ok(())
}
