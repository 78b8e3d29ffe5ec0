//! `make bench`: a large database, what is asked of it, and what that may cost.
//!
//! - [`world`]: who and what there is; [`plan`]: what happens to each; [`events`]: how it is told
//! - [`loading`]: through `deed.apply_batch`; [`kept`]: the loaded cluster, from run to run
//! - [`session`]: measuring statements in turn; [`report`]: the table and `benches/results.json`
//! - [`forms`]: the check by hand in SQL; [`draw`]: pairs to ask about
//! - [`checks`], [`groups`], [`socket`], [`many`], [`lists`], [`principals`], [`rls`], [`apply`],
//!   [`updates`], [`http`], [`outbound`], [`latency`], [`consumer`]: a section or more of the table each

mod apply;
mod checks;
mod consumer;
mod draw;
mod events;
mod forms;
mod groups;
mod http;
mod kept;
mod kinds;
mod latency;
mod lists;
mod loading;
mod many;
mod outbound;
mod plan;
mod principals;
mod report;
mod rls;
mod session;
mod socket;
mod updates;
mod world;

use report::Report;
use session::{Fallible, Session};
use world::{Size, World};

use crate::place::Place;
use crate::postgres::Postgres;

/// Another one by `DEED_SEED`.
const SEED: u64 = 20_260_101;

/// Every section, in the order of the table.
const SECTIONS: [&str; 16] = [
    "checks",
    "groups",
    "socket",
    "many",
    "lists",
    "principals",
    "rls",
    "apply",
    "updates",
    "http",
    "events",
    "relay",
    "latency",
    "catch-up",
    "visible",
    "takeover",
];

/// Those that need nothing of the large database.
const APART: [&str; 5] = ["relay", "latency", "catch-up", "visible", "takeover"];

/// Measures the sections named, or all; after all of them at full scale writes
/// `benches/results.json` and the table in `docs/PERFORMANCE.md`.
///
/// Missed goals are no error; wrong answers are.
pub fn run(wanted: &[String]) -> Fallible<()> {
    if let Some(unknown) = wanted
        .iter()
        .find(|name| !SECTIONS.contains(&name.as_str()))
    {
        let known = SECTIONS.join(", ");
        return Err(format!("no section {unknown}: expected some of {known}").into());
    }
    let is_wanted = |name: &&str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    let sections: Vec<&str> = SECTIONS
        .into_iter()
        .filter(|name| is_wanted(name))
        .collect();
    let place = Place::from_env()?;
    let world = World {
        seed: seed()?,
        size: Size::from_env()?,
    };
    let mut report = Report::default();
    let measured = measure_all(&place, &world, &sections, &mut report);
    // Also what was measured before something went wrong.
    report.print();
    measured?;
    if wanted.is_empty() && world.size.is_full() {
        report.write(&place.root.join("benches/results.json"))?;
        report.write_table(&place.root.join("docs/PERFORMANCE.md"))?;
    }
    Ok(())
}

fn measure_all(
    place: &Place,
    world: &World,
    sections: &[&str],
    report: &mut Report,
) -> Fallible<()> {
    if sections.iter().any(|section| !APART.contains(section)) {
        let kept = kept::start(place, world)?;
        describe(&kept.postgres, world, report)?;
        let measured = measure(&kept.postgres, place, world, sections, report);
        kept.postgres.stop()?;
        measured?;
    }
    for section in sections {
        match *section {
            "relay" => outbound::relay(world.size, report)?,
            "latency" => latency::measure(world.size, report)?,
            "catch-up" => consumer::catch_up::measure(world.seed, world.size, report)?,
            "visible" => consumer::visible::measure(world.seed, world.size, report)?,
            "takeover" => consumer::takeover::measure(world.size, report)?,
            _ => {}
        }
    }
    Ok(())
}

fn measure(
    postgres: &Postgres,
    place: &Place,
    world: &World,
    sections: &[&str],
    report: &mut Report,
) -> Fallible<()> {
    let url = postgres.admin_url(kept::DATABASE);
    for section in sections {
        // Each in a session of its own: none inherits plans or temporary tables.
        let session = || Session::open(&url);
        match *section {
            "checks" => checks::measure(&session()?, world, report)?,
            "groups" => groups::measure(&session()?, world, report)?,
            "socket" => socket::measure(&url, world, report)?,
            "many" => many::measure(&session()?, world, report)?,
            "lists" => lists::measure(&session()?, world, report)?,
            "principals" => principals::measure(&session()?, world, report)?,
            "rls" => rls::measure(&session()?, world, report)?,
            "apply" => apply::measure(postgres, world, report)?,
            "updates" => updates::measure(postgres, world, report)?,
            "http" => http::measure(postgres, place, world, report)?,
            "events" => outbound::measure(postgres, world, report)?,
            _ => {}
        }
    }
    Ok(())
}

fn seed() -> Result<u64, String> {
    match std::env::var("DEED_SEED") {
        Err(_) => Ok(SEED),
        Ok(text) => text
            .parse()
            .map_err(|_| format!("DEED_SEED is {text}, expected a number")),
    }
}

/// Says what the figures depend on.
fn describe(postgres: &Postgres, world: &World, report: &mut Report) -> Fallible<()> {
    let cpus = std::thread::available_parallelism()?;
    let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let memory = memory
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .nth(1);
    let gigabytes = memory
        .and_then(|kilobytes| kilobytes.parse::<f64>().ok())
        .unwrap_or(f64::NAN)
        / 1e6;
    report.note(format!(
        "{cpus} CPUs ({}), {gigabytes:.0} GB of memory",
        model.map_or("of unknown model", |(_, name)| name)
    ));
    let mut client = postgres.admin(kept::DATABASE)?;
    let version: String = client.query_one("SHOW server_version", &[])?.get(0);
    report.note(format!(
        "Postgres {version}: fsync=on {}",
        kept::SETTINGS.join(" ")
    ));
    report.note(format!("seed {}, scale {}", world.seed, world.size.name));
    let rows = client.query(
        "SELECT c.relname, c.reltuples::bigint, pg_size_pretty(pg_table_size(c.oid)),
           pg_size_pretty(pg_indexes_size(c.oid))
         FROM pg_class AS c WHERE c.relnamespace = 'deed'::regnamespace AND c.relkind = 'r'
           AND c.reltuples > 1000 ORDER BY c.reltuples DESC",
        &[],
    )?;
    for row in rows {
        let (table, count): (String, i64) = (row.get(0), row.get(1));
        let (size, indexes): (String, String) = (row.get(2), row.get(3));
        report.note(format!(
            "`{table}`: {count} rows, {size}, indexes {indexes}"
        ));
    }
    Ok(())
}
