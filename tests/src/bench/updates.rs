//! What the update of a document costs, by the number of its recipients.

use std::time::Instant;

use serde_json::json;
use uuid::Uuid;

use super::apply::{COPY, copy, drop_copy, later};
use super::draw::Draw;
use super::report::{Report, Row};
use super::session::Fallible;
use super::world::{Document, Principal, SPECIAL, WIDE, World};
use crate::event::Clock;
use crate::owner::Owner;
use crate::postgres::Postgres;

const ROUNDS: usize = 48;
/// The row and nothing else; its last_modified stays what `listing` says.
const BARE: &str = "UPDATE deed.document SET title_version = $2, title = $3, last_modified_by = $4
  WHERE id = $1";
/// Rows of a document in `listing`, and how many there should be.
const LISTED: &str = "SELECT
  (SELECT count(*) FROM deed.permission AS p LEFT JOIN deed.listing AS l
     ON l.recipient_id = p.recipient_id AND l.level = p.level AND l.document_id = p.document_id
       AND l.last_modified IN (d.last_modified, 'infinity')
   WHERE p.document_id = d.id AND p.level IS NOT NULL AND l.document_id IS NOT NULL),
  (SELECT count(*) FROM deed.permission AS p WHERE p.document_id = d.id AND p.level IS NOT NULL)
  FROM deed.document AS d WHERE d.id = $1";

/// One update a batch and a transaction, without waiting for the disk: that would hide the rest.
pub fn measure(postgres: &Postgres, world: &World, report: &mut Report) -> Fallible<()> {
    report.section("Updating one document, synchronous_commit = off");
    copy(postgres)?;
    let mut client = postgres.admin(COPY)?;
    client.batch_execute("SET synchronous_commit = off")?;
    let mut owner = Owner::claim_for(client, "bench", "bench", 0)?;
    let bare = owner.client().prepare(BARE)?;
    let mut draw = Draw::new(world);
    let few: Vec<Document> = (0..SPECIAL)
        .map(|_| Document::Plain(draw.ungrouped()))
        .collect();
    let hundred: Vec<Document> = (0..SPECIAL).map(Document::Hundred).collect();
    let mut clock = Clock::default();
    let by = world.principal(Principal::All);
    let mut told = 0;
    let mut values = Vec::new();
    for (recipients, documents) in [
        (5, few),
        (WIDE, hundred),
        (world.size.famous, vec![Document::Famous]),
    ] {
        let ids: Vec<Uuid> = documents
            .iter()
            .map(|document| world.document(*document))
            .collect();
        let mut best = [f64::INFINITY; 2];
        for id in ids.iter().cycle().take(ROUNDS) {
            told += 1;
            let event = clock.updated(*id, by, json!({ "title": format!("Title {told}") }));
            let record = later(event, told).structured();
            let began = Instant::now();
            owner.apply(std::slice::from_ref(&record))?;
            best[0] = best[0].min(began.elapsed().as_secs_f64() * 1e6);
            let row = owner.client().query_one(
                "SELECT title_version, title FROM deed.document WHERE id = $1",
                &[id],
            )?;
            let (version, title): (Vec<u8>, String) = (row.get(0), row.get(1));
            if title != format!("Title {told}") {
                return Err(format!("wrong answer: the title is {title}").into());
            }
            let began = Instant::now();
            owner
                .client()
                .execute(&bare, &[id, &version, &title, &by])?;
            best[1] = best[1].min(began.elapsed().as_secs_f64() * 1e6);
        }
        for id in &ids {
            let row = owner.client().query_one(LISTED, &[id])?;
            let (listed, granted): (i64, i64) = (row.get(0), row.get(1));
            if listed != granted {
                return Err(format!("wrong answer: {listed} of {granted} are listed").into());
            }
        }
        values.push(best[0]);
        report.add(Row::against(
            format!("update of a document with {recipients} recipients"),
            "us",
            best[0],
            ("a bare UPDATE of its row", best[1]),
            None,
        ));
    }
    let each = (values[1] - values[0]) / (WIDE - 5) as f64;
    report.add(Row::alone(
        format!("each recipient more, up to F = {WIDE}"),
        "us",
        each,
    ));
    println!(
        "  F = {WIDE}: a document's sort key stands beside each of at most {WIDE} permissions, so an \
         update costs {:.0} us at most; beside {} it would cost {:.1} ms more",
        values[1],
        world.size.famous,
        each * world.size.famous as f64 / 1e3
    );
    drop(owner);
    drop_copy(postgres)
}
