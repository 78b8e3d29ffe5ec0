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

/// Requests of one kind in one turn, of each client.
const REQUESTS: usize = 2_000;
/// Turns of each kind.
const ROUNDS: usize = 7;

/// The check, its floor, and what a statement takes that does nothing.
const KINDS: [&str; 3] = [
    "SELECT deed.has_permission($1, $2, 'viewer')",
    "SELECT true FROM deed.permission WHERE recipient_id = $1 AND document_id = $2",
    "SELECT true WHERE $1::uuid <> $2::uuid",
];

/// Median of the time between asking and having the answer, in microseconds, of each kind; the
/// least of all rounds.
fn medians(url: &str, clients: usize, pairs: &[(Uuid, Uuid)]) -> Fallible<[f64; 3]> {
    let barrier = Barrier::new(clients);
    let rounds: Vec<Vec<Vec<f64>>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|number| {
                let (client, barrier) = (connect(url), &barrier);
                scope.spawn(move || client_rounds(client?, number, pairs, barrier))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a client panicked".to_owned())?)
            .collect::<Result<_, String>>()
    })?;
    let mut best = [f64::INFINITY; 3];
    for turn in 0..ROUNDS * KINDS.len() {
        let mut all: Vec<f64> = rounds
            .iter()
            .flat_map(|turns| turns[turn].clone())
            .collect();
        all.sort_by(f64::total_cmp);
        let best = &mut best[turn % KINDS.len()];
        *best = best.min(all[all.len() / 2]);
    }
    Ok(best)
}

/// All turns of one client, with the time of each request.
fn client_rounds(
    mut client: Client,
    number: usize,
    pairs: &[(Uuid, Uuid)],
    barrier: &Barrier,
) -> Result<Vec<Vec<f64>>, String> {
    let ask = |client: &mut Client| -> Result<Vec<Vec<f64>>, postgres::Error> {
        let statements = KINDS.map(|sql| client.prepare(sql));
        let mut turns = Vec::new();
        for round in 0..ROUNDS {
            for statement in &statements {
                let statement = statement.as_ref().expect("prepared");
                let mut times = Vec::with_capacity(REQUESTS);
                barrier.wait();
                // Each round asks about other pairs, each kind about the same.
                let start = (round + number * ROUNDS) * REQUESTS;
                for n in start..start + REQUESTS {
                    let (principal, document) = &pairs[n % pairs.len()];
                    let began = Instant::now();
                    client.query_opt(statement, &[principal, document])?;
                    times.push(began.elapsed().as_secs_f64() * 1e6);
                }
                turns.push(times);
            }
        }
        Ok(turns)
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
            if verdict == "deny" {
                let name = format!("a statement that does nothing, p50, {clients} {plural}");
                report.add(Row::alone(name, "us", nothing));
            }
        }
    }
    Ok(())
}
