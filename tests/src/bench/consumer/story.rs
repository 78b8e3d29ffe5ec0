//! A mixed story: documents that are created and shared, edited later by turns, some of them revoked or deleted; users who register and
//! rename themselves; groups, some in groups, whose members come and go.
//!
//! No event is stale, and each but a new name or title changes what is told. So what each one writes can be said beforehand.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use uuid::Uuid;

use crate::event::{Clock, Event, Record};

/// Documents are told on so many partitions.
pub const PARTITIONS: i32 = 4;

/// Of the story's length: within it a document is shared, ...
const SHARING: f64 = 0.000_3;
/// ... and within it all else happens to it.
const LIFE: f64 = 0.1;

/// What happens, by numbers.
enum Moment {
    Registered(u32),
    Renamed(u32),
    Founded(u32),
    Joined { group: u32, member: Uuid },
    Left { group: u32, member: Uuid },
    Created { document: u32, by: u32 },
    Granted { document: u32, to: Uuid, by: u32 },
    Revoked { document: u32, from: Uuid, by: u32 },
    Updated { document: u32, by: u32 },
    Deleted { document: u32, by: u32 },
}

/// An event and where it goes.
pub struct Told {
    /// The event.
    pub event: Event,
    /// Its partition, by its subject: partitions share no documents.
    pub partition: i32,
    /// Its place there, in a topic that holds nothing else.
    pub offset: i64,
}

impl Told {
    /// As a record; producers use either mode.
    pub fn record(&self) -> Record {
        let record = match self.offset % 2 {
            0 => self.event.structured(),
            _ => self.event.binary(),
        };
        Record {
            partition: Some(self.partition),
            ..record
        }
    }
}

fn user(n: u32) -> Uuid {
    Uuid::from_u128(scattered(1, n))
}

fn group(n: u32) -> Uuid {
    Uuid::from_u128(scattered(2, n))
}

fn document(n: u32) -> Uuid {
    Uuid::from_u128(scattered(3, n))
}

/// Ids are in no order, as random ones are.
fn scattered(kind: u32, n: u32) -> u128 {
    let seed = u64::from(kind) << 32 | u64::from(n);
    StdRng::seed_from_u64(seed).random()
}

/// The story about so many documents: some 5.6 events each, in the order in which they happen.
pub fn story(seed: u64, documents: u32) -> Vec<Told> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut moments = principals(&mut rng, documents);
    for n in 0..documents {
        life(&mut rng, n, documents / 10, &mut moments);
    }
    moments.sort_by(|(at, _), (other, _)| at.total_cmp(other));
    let mut clock = Clock::default();
    let mut ends = [0; PARTITIONS as usize];
    let told = |(_, moment)| {
        let event = tell(&mut clock, moment);
        let partition = (event.subject.as_u128() % PARTITIONS as u128) as usize;
        ends[partition] += 1;
        Told {
            event,
            partition: partition as i32,
            offset: ends[partition] - 1,
        }
    };
    moments.into_iter().map(told).collect()
}

/// A user for each ten documents and a group for each hundred, of ten members.
fn principals(rng: &mut StdRng, documents: u32) -> Vec<(f64, Moment)> {
    let (users, groups) = (documents / 10, documents / 100);
    let mut moments = Vec::new();
    for n in 0..users {
        let at = rng.random_range(0.0..0.5);
        moments.push((at, Moment::Registered(n)));
        if n % 2 == 0 {
            moments.push((rng.random_range(0.5..1.0), Moment::Renamed(n)));
        }
    }
    for n in 0..groups {
        let at = rng.random_range(0.0..0.5);
        moments.push((at, Moment::Founded(n)));
        let mut members: BTreeSet<Uuid> =
            (0..10).map(|_| user(rng.random_range(0..users))).collect();
        if n % 5 == 4 {
            members.insert(group(n / 5));
        }
        for member in members {
            let joined = rng.random_range(at..1.0);
            moments.push((joined, Moment::Joined { group: n, member }));
            if rng.random_bool(0.2) {
                let left = rng.random_range(joined..1.0);
                moments.push((left, Moment::Left { group: n, member }));
            }
        }
    }
    moments
}

fn life(rng: &mut StdRng, document: u32, users: u32, moments: &mut Vec<(f64, Moment)>) {
    let created = rng.random_range(0.0..1.0);
    let by = rng.random_range(0..users);
    moments.push((created, Moment::Created { document, by }));
    let mut recipients = BTreeSet::from([user(by)]);
    for _ in 0..rng.random_range(1..6) {
        let to = match rng.random_bool(0.2) {
            true => group(rng.random_range(0..users / 10)),
            false => user(rng.random_range(0..users)),
        };
        if !recipients.insert(to) {
            continue;
        }
        let granted = created + rng.random_range(0.0..SHARING);
        moments.push((granted, Moment::Granted { document, to, by }));
        if rng.random_bool(0.08) {
            let revoked = granted + rng.random_range(0.0..LIFE);
            let from = to;
            moments.push((revoked, Moment::Revoked { document, from, by }));
        }
    }
    for _ in 0..rng.random_range(0..3) {
        let updated = created + SHARING + rng.random_range(0.0..LIFE);
        moments.push((updated, Moment::Updated { document, by }));
    }
    if rng.random_bool(0.05) {
        let deleted = created + SHARING + 2.0 * LIFE;
        moments.push((deleted, Moment::Deleted { document, by }));
    }
}

fn tell(clock: &mut Clock, moment: Moment) -> Event {
    match moment {
        Moment::Registered(n) => clock.registered(user(n), "user", &format!("User {n}")),
        Moment::Renamed(n) => {
            clock.principal_updated(user(n), json!({ "name": format!("Renamed {n}") }))
        }
        Moment::Founded(n) => clock.registered(group(n), "group", &format!("Group {n}")),
        Moment::Joined { group: n, member } => clock.member_added(group(n), member),
        Moment::Left { group: n, member } => clock.member_removed(group(n), member),
        Moment::Created { document: n, by } => {
            clock.created(document(n), user(by), &format!("Document {n}"))
        }
        Moment::Granted {
            document: n,
            to,
            by,
        } => {
            let level = if n % 3 == 0 { "editor" } else { "viewer" };
            clock.granted(document(n), to, level, user(by))
        }
        Moment::Revoked {
            document: n,
            from,
            by,
        } => clock.revoked(document(n), from, user(by)),
        Moment::Updated { document: n, by } => {
            let title = format!("Document {n}, edited");
            clock.updated(document(n), user(by), json!({ "title": title }))
        }
        Moment::Deleted { document: n, by } => clock.deleted(document(n), user(by)),
    }
}
