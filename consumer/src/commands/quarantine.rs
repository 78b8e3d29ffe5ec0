//! `quarantine`: records that could not be applied.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Failed, json, printable, table};
use crate::database::{Database, Quarantined, Redriven};
use crate::verdict::Verdict;

/// Redriven in one call, which is one transaction.
const PAGE: i64 = 500;

#[derive(Serialize)]
struct Shown {
    id: i64,
    topic: String,
    partition: i32,
    offset: i64,
    at: Timestamp,
    reason: String,
    #[serde(flatten)]
    record: Option<Whole>,
}

#[derive(Serialize)]
struct Whole {
    /// As text where it is UTF-8.
    key: Option<Bytes>,
    headers: Box<RawValue>,
    payload: Option<Bytes>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Bytes {
    Text(String),
    Hex(String),
}

/// Prints a page.
pub async fn list(
    database: &Database,
    after: i64,
    limit: i64,
    as_json: bool,
) -> Result<(), Failed> {
    let records = database.quarantined(after, limit, false).await?;
    let last = records.last().map(|record| record.id);
    let is_full = records.len() as i64 == limit;
    if as_json {
        for record in records {
            println!("{}", json(&Shown::of(record)));
        }
        return Ok(());
    }
    if records.is_empty() {
        println!(
            "no records{}",
            if after > 0 { " behind that one" } else { "" }
        );
        return Ok(());
    }
    let mut lines = table(["ID", "FROM", "OFFSET", "SINCE", "REASON"]);
    for record in records {
        lines.add_row([
            record.id.to_string(),
            record.of.to_string(),
            record.offset.to_string(),
            format!("{:.0}", record.at),
            printable(&record.reason),
        ]);
    }
    println!("{lines}");
    if let Some(last) = last.filter(|_| is_full) {
        println!("more: deed-consumer quarantine list --after {last}");
    }
    Ok(())
}

/// Prints one, whole.
pub async fn show(database: &Database, id: i64, as_json: bool) -> Result<(), Failed> {
    let records = database.quarantined(id.saturating_sub(1), 1, true).await?;
    let Some(record) = records.into_iter().find(|record| record.id == id) else {
        return Err(Failed::Impossible(format!(
            "no record {id} is in quarantine; deed-consumer quarantine list shows those that are"
        )));
    };
    let shown = Shown::of(record);
    if as_json {
        println!("{}", json(&shown));
        return Ok(());
    }
    println!("id       {}", shown.id);
    println!(
        "from     {}[{}] offset {}",
        shown.topic, shown.partition, shown.offset
    );
    println!("since    {:.0}", shown.at);
    println!("reason   {}", printable(&shown.reason));
    if let Some(Whole {
        key,
        headers,
        payload,
    }) = shown.record
    {
        println!("key      {}", text(key));
        println!("headers  {headers}");
        println!("payload  {}", text(payload));
    }
    Ok(())
}

/// Applies them once more, and prints what became of each.
pub async fn redrive(
    database: &Database,
    ids: &[i64],
    all: bool,
    as_json: bool,
) -> Result<(), Failed> {
    let mut done = Done::default();
    match all {
        true => all_there_are(database, as_json, &mut done).await?,
        false => these(database, ids, as_json, &mut done).await?,
    }
    match done.stay {
        0 => Ok(()),
        stay => Err(Failed::Impossible(format!(
            "{stay} of {} can't be applied, and stay in quarantine",
            done.ids.len()
        ))),
    }
}

async fn these(
    database: &Database,
    ids: &[i64],
    as_json: bool,
    done: &mut Done,
) -> Result<(), Failed> {
    divided(database, ids.to_vec(), as_json, done).await?;
    let missing = ids.iter().filter(|id| !done.ids.contains(id));
    let missing: Vec<String> = missing.map(i64::to_string).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Failed::Impossible(format!(
            "not in quarantine: {}",
            missing.join(", ")
        ))),
    }
}

async fn all_there_are(database: &Database, as_json: bool, done: &mut Done) -> Result<(), Failed> {
    let mut after = 0;
    loop {
        let page = database.quarantined(after, PAGE, false).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.id;
        let ids: Vec<i64> = page.iter().map(|record| record.id).collect();
        divided(database, ids, as_json, done).await?;
    }
}

/// What became of them.
#[derive(Default)]
struct Done {
    ids: Vec<i64>,
    /// How many of them are in quarantine as before.
    stay: usize,
}

/// In one call, or in halves and their halves where Postgres refuses something about the records. Each call's outcome is
/// printed when it is there, for it stands whatever comes of the next.
async fn divided(
    database: &Database,
    ids: Vec<i64>,
    as_json: bool,
    done: &mut Done,
) -> Result<(), Failed> {
    // The next one last.
    let mut waiting = vec![ids];
    while let Some(mut ids) = waiting.pop() {
        let redriven = match (database.redrive(&ids).await, &ids[..]) {
            (Ok(redriven), _) => redriven,
            (Err(error), [one]) if error.verdict() == Verdict::Divide => vec![Redriven {
                id: *one,
                outcome: "refused".to_owned(),
                reason: Some(error.refusal()),
            }],
            (Err(error), _) if error.verdict() == Verdict::Divide => {
                let later = ids.split_off(ids.len() / 2);
                waiting.extend([later, ids]);
                continue;
            }
            (Err(error), _) => return Err(error.into()),
        };
        for one in redriven {
            print(&one, as_json);
            done.ids.push(one.id);
            done.stay += usize::from(one.reason.is_some());
        }
    }
    Ok(())
}

fn print(one: &Redriven, as_json: bool) {
    match (as_json, &one.reason) {
        (true, _) => println!("{}", json(one)),
        (false, Some(reason)) => println!("{} {}: {}", one.id, one.outcome, printable(reason)),
        (false, None) => println!("{} {}", one.id, one.outcome),
    }
}

impl Shown {
    fn of(record: Quarantined) -> Self {
        let whole = record.headers.map(|headers| Whole {
            key: record.key.map(bytes),
            headers: RawValue::from_string(headers).expect("jsonb is JSON"),
            payload: record.payload.map(bytes),
        });
        Shown {
            id: record.id,
            topic: record.of.topic,
            partition: record.of.partition,
            offset: record.offset,
            at: record.at,
            reason: record.reason,
            record: whole,
        }
    }
}

fn bytes(bytes: Vec<u8>) -> Bytes {
    match String::from_utf8(bytes) {
        Ok(text) => Bytes::Text(text),
        Err(error) => Bytes::Hex(data_encoding::HEXLOWER.encode(error.as_bytes())),
    }
}

fn text(of: Option<Bytes>) -> String {
    match of {
        None => "null".to_owned(),
        Some(Bytes::Text(text)) => printable(&text),
        Some(Bytes::Hex(hex)) => format!("\\x{hex}"),
    }
}
