//! Loads the world through `deed.apply_batch`, from several connections, as fast as it goes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;

use super::world::World;
use crate::event::{Clock, Event, Record};
use crate::owner::Owner;
use crate::postgres::{Postgres, connect};

/// Documents are told on so many partitions, each on a connection of its own.
const PARTITIONS: usize = 4;
/// Events in a batch, as the consumer makes them.
const BATCH: usize = 1_000;
/// Statistics are gathered for the first time after so many documents of a partition, so that
/// nothing is planned as if the tables were empty.
const FIRST_ANALYZE: usize = 2_000;
/// How often it says how far it is.
const REPORT: Duration = Duration::from_secs(15);

/// What has been applied so far.
#[derive(Default)]
struct Progress {
    documents: AtomicU64,
    events: AtomicU64,
}

/// Loads all; gives how many events there were.
pub fn load(postgres: &Postgres, database: &str, world: &World) -> Result<u64, String> {
    let url = postgres.admin_url(database);
    let mut principals = owner(&url, PARTITIONS)?;
    let began = Instant::now();
    let told = world.tell_principals();
    for batch in told.chunks(BATCH) {
        apply(&mut principals, batch)?;
    }
    println!(
        "  {} events about principals in {:.0?}",
        told.len(),
        began.elapsed()
    );
    let progress = Progress::default();
    let began = Instant::now();
    thread::scope(|scope| {
        let loaders: Vec<_> = (0..PARTITIONS)
            .map(|partition| {
                let (url, progress) = (&url, &progress);
                scope.spawn(move || load_partition(url, partition, world, progress))
            })
            .collect();
        let mut reported = Instant::now();
        while loaders.iter().any(|loader| !loader.is_finished()) {
            thread::sleep(Duration::from_millis(100));
            if reported.elapsed() > REPORT {
                reported = Instant::now();
                report(&progress, began, world.documents_in_all());
            }
        }
        loaders
            .into_iter()
            .try_for_each(|loader| loader.join().map_err(|_| "a loader panicked".to_owned())?)
    })?;
    report(&progress, began, world.documents_in_all());
    // No relay has run, and none shall find all that was loaded to be told.
    connect(&url)?
        .batch_execute("TRUNCATE deed.outbox, deed.mark")
        .map_err(|error| format!("emptying the outbox: {error}"))?;
    Ok(told.len() as u64 + progress.events.into_inner())
}

fn owner(url: &str, partition: usize) -> Result<Owner, String> {
    let mut client = connect(url)?;
    client
        .batch_execute("SET synchronous_commit = off")
        .map_err(|error| format!("loading: {error}"))?;
    Owner::claim(client, partition as i32).map_err(|error| format!("claiming: {error}"))
}

fn load_partition(
    url: &str,
    partition: usize,
    world: &World,
    progress: &Progress,
) -> Result<(), String> {
    let mut owner = owner(url, partition)?;
    let mut clock = Clock::default();
    let mut batch: Vec<Event> = Vec::new();
    let mut documents = 0;
    let own = world.documents().skip(partition).step_by(PARTITIONS);
    for (n, document) in own.enumerate() {
        batch.extend(world.tell_document(&mut clock, document));
        documents += 1;
        if batch.len() >= BATCH || n == FIRST_ANALYZE {
            apply_counted(&mut owner, &mut batch, &mut documents, progress)?;
        }
        if n == FIRST_ANALYZE && partition == 0 {
            owner
                .client()
                .batch_execute("ANALYZE")
                .map_err(|error| format!("ANALYZE: {error}"))?;
        }
    }
    apply_counted(&mut owner, &mut batch, &mut documents, progress)
}

fn apply_counted(
    owner: &mut Owner,
    batch: &mut Vec<Event>,
    documents: &mut u64,
    progress: &Progress,
) -> Result<(), String> {
    // One document may bring very many.
    for part in batch.chunks(BATCH) {
        apply(owner, part)?;
    }
    progress
        .events
        .fetch_add(batch.len() as u64, Ordering::Relaxed);
    progress.documents.fetch_add(*documents, Ordering::Relaxed);
    batch.clear();
    *documents = 0;
    Ok(())
}

fn apply(owner: &mut Owner, events: &[Event]) -> Result<(), String> {
    let records: Vec<Record> = events.iter().map(Event::structured).collect();
    match owner.apply(&records) {
        Ok(0) => Ok(()),
        Ok(rejected) => Err(format!(
            "{rejected} of the generator's events were quarantined"
        )),
        Err(error) => Err(format!("applying: {error:?}")),
    }
}

fn report(progress: &Progress, began: Instant, all: u64) {
    let (documents, events) = (
        progress.documents.load(Ordering::Relaxed),
        progress.events.load(Ordering::Relaxed),
    );
    let seconds = began.elapsed().as_secs_f64();
    let left = seconds * (all as f64 / documents.max(1) as f64 - 1.0);
    println!(
        "  {documents} of {all} documents, {events} events, {:.0} events/s, {left:.0} s left",
        events as f64 / seconds
    );
}

/// A user's own table beside Deed, with the ids of the plain documents in no order.
pub const ITEM: &str = "
  CREATE TABLE public.item (n integer PRIMARY KEY, id uuid NOT NULL UNIQUE);
  INSERT INTO public.item (n, id)
  SELECT row_number() OVER (ORDER BY pg_catalog.sha256(pg_catalog.uuid_send(id))), id
  FROM deed.document WHERE title LIKE 'Plain(%'";

/// Puts the user's table there, and what the planner and index-only scans go by.
pub fn settle(client: &mut Client) -> Result<(), String> {
    for statement in [ITEM, "VACUUM (ANALYZE)", "CHECKPOINT"] {
        client
            .batch_execute(statement)
            .map_err(|error| format!("{statement}: {error}"))?;
    }
    Ok(())
}
