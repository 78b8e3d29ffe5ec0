//! Checks and pages over HTTP, beside a route that does nothing behind the same server without Deed's
//! pre-request: what is left is Deed's share of the time. oha asks, over kept connections.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::draw::{Draw, Pair};
use super::kept::DATABASE;
use super::report::{Report, Row};
use super::session::Fallible;
use super::world::World;
use crate::place::Place;
use crate::postgres::{Postgres, free_port};
use crate::postgrest::token::token;
use crate::postgrest::{self, PostgRest};
use crate::process::Lifetime;
use crate::spawn::run;

const SECRET: &str = "a secret of the bench, 32 characters or more";
/// Of each turn.
const SECONDS: &str = "3s";
/// Each kind is asked in turn, this often.
const TURNS: usize = 3;

/// What is asked; the last is the floor, of a server of its own.
const KINDS: [&str; 6] = [
    "select 1 behind Deed's pre-request",
    "has_permission",
    "has_permission, with a position that is applied",
    "a page of 50 of list_documents",
    "a document by its id",
    "select 1",
];

/// Of one turn.
#[derive(Clone, Copy)]
struct Figures {
    per_second: f64,
    p50: f64,
    p99: f64,
}

/// A route of the bench's own.
const NOTHING: &str = "CREATE OR REPLACE FUNCTION api.nothing() RETURNS integer STABLE RETURN 1;
    GRANT EXECUTE ON FUNCTION api.nothing() TO deed_service;
    INSERT INTO deed.stream_position (consumer_group, topic, partition, next_offset, epoch)
      VALUES ('bench', 'bench', 0, 1, 1) ON CONFLICT DO NOTHING";

/// Asks at 1 and at 16 connections.
pub fn measure(
    postgres: &Postgres,
    place: &Place,
    world: &World,
    report: &mut Report,
) -> Fallible<()> {
    report.section("Over HTTP");
    // The scripts may be newer than what is loaded.
    postgres.apply_scripts(DATABASE)?;
    postgres.admin(DATABASE)?.batch_execute(NOTHING)?;
    let folder = place.private.join("bench");
    let server = |name: &str, environment: &'static [(&'static str, &'static str)]| {
        let spec = postgrest::Spec {
            log: folder.join(format!("{name}.log")),
            database_url: postgres.api_url(DATABASE),
            jwt_secret: SECRET.to_owned(),
            environment,
            port: free_port()?,
            admin_port: free_port()?,
            lifetime: Lifetime::Bound,
        };
        PostgRest::start(place, spec)
    };
    let deed = server("postgrest", &[])?;
    let bare = server("postgrest-bare", &[("PGRST_DB_PRE_REQUEST", "")])?;
    let mut draw = Draw::new(world);
    let ids = |pair: &Pair| (world.principal(pair.0), world.document(pair.1));
    let pairs: Vec<(Uuid, Uuid)> = draw.pairs(Draw::direct).iter().map(ids).collect();
    let paths = |path: &dyn Fn(&Uuid, &Uuid) -> String| -> Vec<String> {
        let asked = pairs.iter().take(5_000);
        asked
            .map(|(principal, document)| path(principal, document))
            .collect()
    };
    let check =
        paths(&|p, d| format!("/rpc/has_permission?principal={p}&document={d}&level=viewer"));
    let asked = [
        paths(&|_, _| "/rpc/nothing".to_owned()),
        check.clone(),
        check,
        paths(&|p, _| format!("/rpc/list_documents?principal={p}")),
        paths(&|_, d| format!("/documents?id=eq.{d}")),
        paths(&|_, _| "/rpc/nothing".to_owned()),
    ];
    let files: Vec<_> = (0..KINDS.len())
        .map(|kind| folder.join(format!("urls-{kind}")))
        .collect();
    for (kind, paths) in asked.iter().enumerate() {
        let url = if kind == KINDS.len() - 1 {
            bare.url()
        } else {
            deed.url()
        };
        let lines: String = paths.iter().map(|path| format!("{url}{path}\n")).collect();
        fs::write(&files[kind], lines)?;
    }
    let bearer = token(SECRET, "deed_service", None, Duration::from_secs(3_600));
    for connections in [1, 16] {
        let mut turns: Vec<Vec<Figures>> = vec![Vec::new(); KINDS.len()];
        for turn in 0..TURNS {
            for n in 0..KINDS.len() {
                let kind = (turn + n) % KINDS.len();
                let mut oha = Command::new("oha");
                oha.args(["--no-tui", "--output-format", "json", "-z", SECONDS])
                    .args(["-c", &connections.to_string()])
                    .args(["-H", &format!("Authorization: Bearer {bearer}")])
                    .arg("--urls-from-file");
                if KINDS[kind].contains("position") {
                    oha.args(["-H", "Deed-Position: bench:0:0"]);
                }
                turns[kind].push(figures(&run(oha.arg(&files[kind]), None)?)?);
            }
        }
        let of: Vec<Figures> = turns.iter().map(|turns| middle(turns)).collect();
        let floor = of[KINDS.len() - 1];
        let plural = if connections == 1 {
            "connection"
        } else {
            "connections"
        };
        for (kind, figures) in KINDS.iter().zip(&of).take(KINDS.len() - 1) {
            let name = |what: &str| format!("HTTP, {connections} {plural}: {kind}, {what}");
            for (what, unit, value, floor) in [
                ("p50", "us", figures.p50, floor.p50),
                ("p99", "us", figures.p99, floor.p99),
                (
                    "throughput",
                    "requests/s",
                    figures.per_second,
                    floor.per_second,
                ),
            ] {
                let floor = ("select 1 without a pre-request", floor);
                report.add(Row::against(name(what), unit, value, floor, None));
            }
        }
    }
    Ok(())
}

/// What oha says; an answer other than 200 is an error.
fn figures(said: &str) -> Fallible<Figures> {
    let said: Value = serde_json::from_str(said)?;
    let statuses = said["statusCodeDistribution"].as_object();
    if statuses.is_none_or(|statuses| statuses.keys().any(|status| status != "200")) {
        return Err(format!(
            "not all answers are 200: {}",
            said["statusCodeDistribution"]
        )
        .into());
    }
    let number = |pointer: &str| {
        let found = said.pointer(pointer).and_then(Value::as_f64);
        found.ok_or_else(|| format!("oha does not say {pointer}"))
    };
    Ok(Figures {
        per_second: number("/summary/requestsPerSec")?,
        p50: number("/latencyPercentiles/p50")? * 1e6,
        p99: number("/latencyPercentiles/p99")? * 1e6,
    })
}

/// The median of each figure.
fn middle(turns: &[Figures]) -> Figures {
    let median = |figure: fn(&Figures) -> f64| {
        let mut figures: Vec<f64> = turns.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    Figures {
        per_second: median(|turn| turn.per_second),
        p50: median(|turn| turn.p50),
        p99: median(|turn| turn.p99),
    }
}
