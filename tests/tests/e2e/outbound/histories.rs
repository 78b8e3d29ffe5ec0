//! Random histories with watches at random moments: what was told, folded, is the difference of what the model
//! recomputes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use deed_model::model::Model;
use deed_model::random::{DOCUMENTS, PRINCIPALS};
use deed_model::telling::{Telling, telling};
use deed_tests::answers;
use deed_tests::event::Event;
use deed_tests::load;
use deed_tests::outbound::{Folded, Pair, Reader, outbox, settle, settle_once, watch, word};
use deed_tests::owner::Owner;
use deed_tests::reference;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestCaseError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use crate::ground::{Ground, runner};

const HISTORIES: u32 = 1_500;
const EVENTS: std::ops::RangeInclusive<usize> = 1..=24;
const RELAY: Uuid = Uuid::from_u128(0xe1);

/// Whose levels are watched: everyone's and those of users too.
pub fn principals() -> Vec<Uuid> {
    [&PRINCIPALS[..], &[Uuid::from_u128(1), Uuid::from_u128(2)]].concat()
}

/// Any pair.
pub fn pair(rng: &mut StdRng) -> Pair {
    let principals = principals();
    (
        DOCUMENTS[rng.random_range(0..DOCUMENTS.len())],
        principals[rng.random_range(0..principals.len())],
    )
}

/// What was read of the outbox so far, and who is watched.
#[derive(Default)]
pub struct Course {
    reader: Reader,
    read: usize,
    /// With the level that the first watch gave.
    pub watched: BTreeMap<Pair, Option<String>>,
    changes: usize,
}

impl Course {
    /// Reads what is new.
    fn catch_up(&mut self, ground: &mut Ground) -> Result<(), String> {
        let told = outbox(ground.client());
        let ids: BTreeSet<Uuid> = told.iter().map(|told| told.id).collect();
        if ids.len() != told.len() {
            return Err("two events have one id".to_owned());
        }
        for told in &told[self.read..] {
            self.reader.read(told)?;
        }
        self.read = told.len();
        Ok(())
    }

    /// Whether what was told of the pair leads from its first level to this one. It is watched no more.
    fn close(&mut self, pair: &Pair, level: &Option<String>) -> Result<(), String> {
        let first = self.watched.remove(pair).expect("watched");
        let levels = self.reader.levels.remove(pair);
        let levels = levels.unwrap_or_else(|| vec![first.clone()]);
        if levels.first() != Some(&first) || levels.last() != Some(level) {
            return Err(format!(
                "{pair:?} was watched at {first:?}, was told {levels:?}, and is {level:?}"
            ));
        }
        self.changes += levels.len() - 1;
        Ok(())
    }
}

/// Whether the outbox tells what the model knows, and of each watched pair, with the level that its first watch gave,
/// how that came to be what it is now. How many changes of levels were told.
pub fn judge(ground: &mut Ground, model: &Model, mut course: Course) -> Result<usize, String> {
    let now = answers::now(ground.client());
    course.catch_up(ground)?;
    let pairs: Vec<Pair> = course.watched.keys().copied().collect();
    for pair in pairs {
        let level = word(model.level(pair.1, pair.0, &now));
        course.close(&pair, &level)?;
    }
    let Course {
        reader, changes, ..
    } = course;
    let expected = Folded::expected(model);
    if reader.known != expected {
        return Err(format!("told {:#?}\nexpected {expected:#?}", reader.known));
    }
    if !reader.levels.is_empty() {
        return Err(format!("nobody watched {:?}", reader.levels));
    }
    let orphans = ground
        .client()
        .query("SELECT document_id FROM deed.orphan", &[]);
    let orphans: BTreeSet<Uuid> = orphans
        .expect("orphans")
        .iter()
        .map(|row| row.get(0))
        .collect();
    let expected: BTreeSet<Uuid> = model.orphaned(&now).into_iter().collect();
    if orphans != expected {
        return Err(format!("orphans {orphans:?}, expected {expected:?}"));
    }
    match orphans
        .iter()
        .find(|orphan| !reader.orphaned.contains_key(orphan))
    {
        Some(orphan) => Err(format!("{orphan} was not told to be orphaned")),
        None => Ok(changes),
    }
}

/// Applies the batches, and between them watches and settles now and then.
fn tell(
    ground: &mut Ground,
    owner: &mut Owner,
    telling: &Telling,
    rng: &mut StdRng,
) -> Result<usize, String> {
    ground.clear();
    let mut told: Vec<&Event> = Vec::new();
    let mut course = Course::default();
    for batch in &telling.batches {
        let events = batch.iter().map(|place| &telling.events[*place]);
        let records: Vec<_> = events.clone().map(Event::structured).collect();
        told.extend(events);
        owner.apply(&records).expect("applied");
        if rng.random_bool(0.5) {
            settle_once(ground.client(), RELAY);
        }
        let now = answers::now(ground.client());
        let model = reference::model(told.iter().copied());
        // One that is watched no more is told of up to then.
        let first = course.watched.keys().next().copied();
        if let Some(pair) = first.filter(|_| rng.random_bool(0.2)) {
            settle(ground.client(), RELAY);
            course.catch_up(ground)?;
            course.close(&pair, &word(model.level(pair.1, pair.0, &now)))?;
            let unwatch = "SELECT deed.unwatch($1, $2, 'test')";
            let ended = ground.client().execute(unwatch, &[&pair.1, &pair.0]);
            ended.expect("unwatched");
        }
        // Half of them early, for what happens later to be told of.
        let most = if course.watched.is_empty() { 24 } else { 3 };
        for _ in 0..rng.random_range(0..=most) {
            let pair = pair(rng);
            let (document, principal) = pair;
            let level = watch(ground.client(), principal, document, "test");
            if course.watched.contains_key(&pair) {
                continue;
            }
            let expected = word(model.level(principal, document, &now));
            if level != expected {
                return Err(format!("{pair:?} is {expected:?}, watched at {level:?}"));
            }
            course.watched.insert(pair, level);
        }
    }
    settle(ground.client(), RELAY);
    judge(ground, &reference::model(&telling.events), course)
}

#[test]
fn random_histories_are_told_as_the_model_recomputes_them() {
    let began = Instant::now();
    let config = Config {
        cases: HISTORIES,
        max_shrink_iters: 1_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = runner(load::seed(), config);
    let ground = Ground::new("outbound_histories");
    let owner = ground.owner(0);
    let ground = RefCell::new((ground, owner));
    let changes = RefCell::new(0);
    let outcome = runner.run(&(telling(EVENTS), any::<u64>()), |(telling, seed)| {
        let (ground, owner) = &mut *ground.borrow_mut();
        let mut rng = StdRng::seed_from_u64(seed);
        let told = tell(ground, owner, &telling, &mut rng).map_err(TestCaseError::fail)?;
        *changes.borrow_mut() += told;
        Ok(())
    });
    println!(
        "{HISTORIES} random histories told, {} changes of watched levels among it; {:.0?}",
        changes.borrow(),
        began.elapsed()
    );
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
