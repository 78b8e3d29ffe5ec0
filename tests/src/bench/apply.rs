//! Batches of events, against statements that write the same rows.

use std::time::{Duration, Instant, SystemTime};

use deed_core::event::Event as Parsed;
use deed_core::version::Instant as EventTime;
use postgres::Client;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::Value;
use uuid::Uuid;

use super::kept::DATABASE;
use super::kinds::{KINDS, Kind, Subject};
use super::report::{Report, Row};
use super::session::Fallible;
use super::world::{Document, World};
use crate::event::{Clock, Event, Record};
use crate::owner::Owner;
use crate::postgres::Postgres;

/// The copy that is written to.
pub const COPY: &str = "bench_copy";
const BATCH: usize = 1_000;
const ROUNDS: usize = 7;

/// Makes the copy, so that the loaded database stays as it is.
pub fn copy(postgres: &Postgres) -> Fallible<()> {
    let mut admin = postgres.admin("postgres")?;
    let began = Instant::now();
    admin.batch_execute(&format!("DROP DATABASE IF EXISTS {COPY}"))?;
    admin.batch_execute(&format!(
        "CREATE DATABASE {COPY} TEMPLATE {DATABASE} STRATEGY FILE_COPY"
    ))?;
    println!("copied the database in {:.0?}", began.elapsed());
    Ok(())
}

/// Drops it again.
pub fn drop_copy(postgres: &Postgres) -> Fallible<()> {
    let mut admin = postgres.admin("postgres")?;
    Ok(admin.batch_execute(&format!("DROP DATABASE {COPY}"))?)
}

/// An event after all that was loaded and all made before.
pub fn later(mut event: Event, n: u64) -> Event {
    let (seconds, micros) = (n / 1_000_000, n % 1_000_000);
    event.time = format!("2026-06-01T00:00:{seconds:02}.{micros:06}Z");
    event
}

/// One batch in both forms.
struct Batch {
    records: Vec<Record>,
    ids: Vec<Uuid>,
    others: Vec<Option<Uuid>>,
    versions: Vec<Vec<u8>>,
    words: Vec<Option<String>>,
    actors: Vec<Option<Uuid>>,
    times: Vec<SystemTime>,
}

impl Batch {
    /// Of these events, sorted by what they are about.
    fn of(mut events: Vec<Event>) -> Fallible<Self> {
        events.sort_by_key(|event| event.subject);
        let mut batch = Self {
            records: events.iter().map(Event::structured).collect(),
            ids: Vec::new(),
            others: Vec::new(),
            versions: Vec::new(),
            words: Vec::new(),
            actors: Vec::new(),
            times: Vec::new(),
        };
        let uuid = |value: &Value| value.as_str()?.parse().ok();
        for event in &events {
            let latest = EventTime::parse("latest", "9999-01-01T00:00:00Z");
            let parsed = Parsed::from_structured(
                &event.envelope().to_string(),
                latest.map_err(|error| format!("{error:?}"))?,
            )
            .map_err(|error| format!("{event:?}: {error:?}"))?;
            let data = |names: &[&str]| names.iter().find_map(|name| event.data.get(name));
            batch.ids.push(event.subject);
            batch
                .others
                .push(data(&["recipient", "member"]).and_then(uuid));
            let word = data(&["level", "title", "name"]).and_then(Value::as_str);
            batch.words.push(word.map(str::to_owned));
            let actor = data(&["created_by", "updated_by", "granted_by", "revoked_by", "by"]);
            batch.actors.push(actor.and_then(uuid));
            let micros = parsed.version.time().unix_nanos() / 1_000;
            batch
                .times
                .push(SystemTime::UNIX_EPOCH + Duration::from_micros(micros as u64));
            batch.versions.push(parsed.version.as_bytes().to_vec());
        }
        Ok(batch)
    }

    /// Writes the rows by the statement prepared for its kind.
    fn write(&self, client: &mut Client, statement: &postgres::Statement, n: i64) -> Fallible<()> {
        let moved = client.execute(
            statement,
            &[
                &self.ids,
                &self.others,
                &self.versions,
                &self.words,
                &self.actors,
                &self.times,
                &n,
            ],
        )?;
        match moved {
            1 => Ok(()),
            _ => Err(format!("wrong answer: {moved} positions moved").into()),
        }
    }

    /// All that the database holds about its subjects, as a digest.
    fn digest(&self, client: &mut Client) -> Fallible<String> {
        let row = client.query_one(
            "SELECT count(*) || ' rows, ' || md5(string_agg(t, '' ORDER BY t)) FROM (
               SELECT d::text FROM deed.document AS d WHERE d.id = ANY ($1)
               UNION ALL SELECT g::text FROM deed.permission AS g WHERE g.document_id = ANY ($1)
               UNION ALL SELECT l::text FROM deed.listing AS l WHERE l.document_id = ANY ($1)
               UNION ALL SELECT p::text FROM deed.principal AS p WHERE p.id = ANY ($1)
               UNION ALL SELECT m::text FROM deed.membership AS m WHERE m.group_id = ANY ($1)
             ) AS t (t)",
            &[&self.ids],
        )?;
        Ok(row.get(0))
    }
}

/// The product and the floor leave the same rows, or the run ends here. Nothing stays.
fn assert_equal(postgres: &Postgres, kind: &Kind, batch: &Batch) -> Fallible<()> {
    let mut owner = Owner::claim_for(postgres.admin(COPY)?, "bench equal", "bench", 0)?;
    owner.client().batch_execute("BEGIN")?;
    if owner.apply(&batch.records)? != 0 {
        return Err(format!("{}: quarantined", kind.name).into());
    }
    let product = batch.digest(owner.client())?;
    owner.client().batch_execute("ROLLBACK; BEGIN")?;
    let statement = owner.client().prepare(&kind.floor())?;
    batch.write(owner.client(), &statement, 1)?;
    let floor = batch.digest(owner.client())?;
    owner.client().batch_execute("ROLLBACK")?;
    match product == floor {
        true => Ok(()),
        false => Err(format!(
            "wrong answer: after {} the product leaves {product}, the floor {floor}",
            kind.name
        )
        .into()),
    }
}

/// Every kind of event in batches of 1,000.
pub fn measure(postgres: &Postgres, world: &World, report: &mut Report) -> Fallible<()> {
    report.section("Applying");
    copy(postgres)?;
    let numbers = (0..world.size.documents).filter(|n| world.has_five_recipients(*n));
    let mut documents: Vec<Document> = numbers.map(Document::Plain).collect();
    documents.shuffle(&mut StdRng::seed_from_u64(world.seed));
    let rounds = ROUNDS.min(documents.len() / (2 * BATCH));
    let mut product = Owner::claim_for(postgres.admin(COPY)?, "bench", "bench", 0)?;
    Owner::claim_for(postgres.admin(COPY)?, "bench floor", "bench", 0)?;
    let mut clock = Clock::default();
    let mut told = 0;
    for kind in &KINDS {
        let statement = product.client().prepare(&kind.floor())?;
        let mut best = [f64::INFINITY; 2];
        // The sets alternate between the product and its floor.
        for (turn, set) in documents.chunks_exact(BATCH).take(2 * rounds).enumerate() {
            let subjects = set.iter().enumerate().map(|(n, document)| Subject {
                n: (turn * BATCH + n) as u64,
                document: *document,
            });
            let events = subjects.map(|subject| {
                told += 1;
                later((kind.event)(world, &mut clock, subject), told)
            });
            let batch = Batch::of(events.collect())?;
            if turn == 0 {
                assert_equal(postgres, kind, &batch)?;
            }
            // Undone, so that neither reads from disk nor is the first to touch a page since the last
            // checkpoint, which writes that whole into the log: both would hide the rest.
            product.client().batch_execute("BEGIN")?;
            batch.write(product.client(), &statement, turn as i64)?;
            product.client().batch_execute("ROLLBACK")?;
            let began = Instant::now();
            match turn % 2 {
                0 => drop(product.apply(&batch.records)?),
                _ => batch.write(product.client(), &statement, turn as i64)?,
            }
            let seconds = began.elapsed().as_secs_f64();
            best[turn % 2] = best[turn % 2].min(seconds);
        }
        let micros = best.map(|seconds| seconds * 1e6 / BATCH as f64);
        let told_of = if kind.emits { "told" } else { "not told" };
        report.add(Row::against(
            format!("apply in batches of 1,000, {} ({told_of})", kind.name),
            "us",
            micros[0],
            ("typed unnest upserts of the same rows", micros[1]),
            Some(1.5),
        ));
    }
    drop(product);
    drop_copy(postgres)
}
