//! What must hold of the events that went out: they are what the outbox had, each follows from the one before, and all
//! of them say what the model knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use deed_model::model::Model;
use postgres::Client;
use uuid::Uuid;

use super::judgement::Judgement;
use super::load::Load;
use crate::answers;
use crate::arrivals::{self, Arrived};
use crate::outbound::{Folded, Reader, word};

/// Whether all that was told has arrived, and says what the model knows.
pub fn judge(
    judgement: &mut Judgement,
    client: &mut Client,
    load: &Load,
    model: &Model,
    arrived: &Arrived,
) {
    judgement.told = arrived.first.len();
    judgement.again = arrived.again;
    let told = arrivals::told(client);
    let lost = arrivals::compare(&told, arrived).err();
    judgement.lines(
        "events out, as the outbox had them",
        told.len(),
        lost.into_iter().collect(),
    );
    let mut reader = Reader::default();
    let wrong: Vec<String> = arrived
        .first
        .iter()
        .filter_map(|told| reader.read(told).err())
        .collect();
    judgement.lines(
        "events out, each of them a change from the one before",
        arrived.first.len(),
        wrong,
    );

    let (known, expected) = (&reader.known, Folded::expected(model));
    let mut lines = Vec::new();
    lines.extend(only(
        "permission",
        &known.permissions,
        &expected.permissions,
    ));
    lines.extend(only("promotion", &known.promoted, &expected.promoted));
    for (what, found, expected) in [
        ("deleted", &known.deleted, &expected.deleted),
        ("purged", &known.purged, &expected.purged),
        ("removed", &known.removed, &expected.removed),
    ] {
        let differing = found.symmetric_difference(expected);
        lines.extend(differing.map(|id| format!("{what} {id}: told {}", found.contains(id))));
    }
    let differing = known.members.symmetric_difference(&expected.members);
    lines.extend(
        differing.map(|pair| format!("member {pair:?}: told {}", known.members.contains(pair))),
    );
    let size = expected.permissions.len() + expected.members.len();
    judgement.lines(
        "events out, folded, as the model's: permissions and members",
        size,
        lines,
    );
    watched(judgement, client, load, model, &reader);
}

/// The keys whose values differ.
pub fn only<K: Ord + Debug, V: PartialEq + Debug>(
    what: &str,
    found: &BTreeMap<K, V>,
    expected: &BTreeMap<K, V>,
) -> Vec<String> {
    let keys: BTreeSet<&K> = found.keys().chain(expected.keys()).collect();
    let differing = keys
        .into_iter()
        .filter(|key| found.get(key) != expected.get(key));
    differing
        .map(|key| {
            let (found, expected) = (found.get(key), expected.get(key));
            format!("{what} {key:?}: told {found:?}, expected {expected:?}")
        })
        .collect()
}

/// Whether the levels that were told lead from none, where they were first watched, to what they are now, and whether
/// the orphans are told.
fn watched(
    judgement: &mut Judgement,
    client: &mut Client,
    load: &Load,
    model: &Model,
    reader: &Reader,
) {
    let now = answers::now(client);
    let settled = model.settled();
    let mut changes = 0;
    let mut lines = Vec::new();
    for pair in load.watched() {
        let (document, principal) = pair;
        let level = word(settled.level(principal, document, &now));
        let levels = reader
            .levels
            .get(&pair)
            .cloned()
            .unwrap_or_else(|| vec![None]);
        if levels.first() != Some(&None) || levels.last() != Some(&level) {
            lines.push(format!("{pair:?} was told {levels:?}, and is {level:?}"));
        }
        changes += levels.len() - 1;
    }
    judgement.lines(
        "changes of watched levels, which lead to the model's",
        changes,
        lines,
    );
    let orphans = client
        .query("SELECT document_id FROM deed.orphan", &[])
        .expect("orphans");
    let orphans: BTreeSet<Uuid> = orphans.iter().map(|row| row.get(0)).collect();
    let expected: BTreeSet<Uuid> = model.orphaned(&now).into_iter().collect();
    let differing = orphans.symmetric_difference(&expected);
    let mut lines: Vec<String> = differing
        .map(|id| {
            format!(
                "{id}: {}",
                if orphans.contains(id) {
                    "is none"
                } else {
                    "is missing"
                }
            )
        })
        .collect();
    let untold = orphans
        .iter()
        .filter(|id| !reader.orphaned.contains_key(id));
    lines.extend(untold.map(|id| format!("{id} was not told")));
    judgement.lines(
        "orphaned documents, told and as the model's",
        expected.len(),
        lines,
    );
}
