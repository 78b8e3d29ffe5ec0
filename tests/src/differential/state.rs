//! A state drawn at random, with everything in it that a check has to weigh.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use serde_json::json;
use uuid::Uuid;

use crate::event::{Clock, Event, id};
use crate::load::{LEVELS, PAST};

const DOCUMENTS: usize = 50;
const USERS: usize = 24;
const LINKS: usize = 8;
const GROUPS: usize = 20;
/// Of no kind that anybody told.
const UNKNOWN: usize = 8;
/// They hold permissions, and are asked about nothing: they make documents wide.
const STRANGERS: usize = 140;
const WIDE_DOCUMENTS: usize = 3;
const FUTURE: &str = "9999-01-01T00:00:00Z";

/// Whom and what is asked about, and what has happened.
pub struct State {
    /// The built-in recipients and one that nothing was said of, too.
    pub principals: Vec<Uuid>,
    /// One that nothing was said of, too.
    pub documents: Vec<Uuid>,
    /// In no order.
    pub events: Vec<Event>,
}

/// Draws one.
pub fn draw(rng: &mut StdRng) -> State {
    let many = |kind: &str, count: usize| -> Vec<Uuid> {
        (0..count).map(|n| id(&format!("{kind} {n}"))).collect()
    };
    let mut drawn = Drawn {
        clock: Clock::default(),
        documents: many("document", DOCUMENTS),
        users: many("user", USERS),
        links: many("link", LINKS),
        groups: many("group", GROUPS),
        unknown: many("unknown", UNKNOWN),
        events: Vec::new(),
    };
    drawn.principals(rng);
    drawn.memberships(rng);
    drawn.documents(rng);
    drawn.wide_documents(rng, &many("stranger", STRANGERS));
    drawn.ends(rng);
    let mut principals = drawn.all();
    principals.extend([id("untold"), Uuid::from_u128(1), Uuid::from_u128(2)]);
    let mut documents = drawn.documents;
    documents.push(id("untold"));
    let mut events = drawn.events;
    // Some documents were modified in one instant, and some events contradict each other in it.
    for n in 1..events.len() {
        if rng.random_bool(0.2) {
            events[n].time = events[n - 1].time.clone();
        }
    }
    events.shuffle(rng);
    State {
        principals,
        documents,
        events,
    }
}

struct Drawn {
    clock: Clock,
    documents: Vec<Uuid>,
    users: Vec<Uuid>,
    links: Vec<Uuid>,
    groups: Vec<Uuid>,
    unknown: Vec<Uuid>,
    events: Vec<Event>,
}

impl Drawn {
    fn all(&self) -> Vec<Uuid> {
        [&self.users[..], &self.links, &self.groups, &self.unknown].concat()
    }

    /// Anybody, groups as often as all others together.
    fn anyone(&self, rng: &mut StdRng) -> Uuid {
        let rest = [&self.users[..], &self.links, &self.unknown];
        match rng.random_bool(0.5) {
            true => one_of(&self.groups, rng),
            false => one_of(&rest.concat(), rng),
        }
    }

    fn principals(&mut self, rng: &mut StdRng) {
        let kinds = [
            (self.users.clone(), "user"),
            (self.links.clone(), "anonymous"),
            (self.groups.clone(), "group"),
        ];
        for (principals, kind) in kinds {
            for principal in principals {
                if rng.random_bool(0.9) {
                    self.events
                        .push(self.clock.registered(principal, kind, kind));
                }
            }
        }
        // Kinds don't matter to edges: a link may go to a group, or to another link.
        for link in self.links.clone() {
            for _ in 0..rng.random_range(0..3) {
                let to = match rng.random_bool(0.7) {
                    true => one_of(&self.users, rng),
                    false => self.anyone(rng),
                };
                if to != link {
                    self.events.push(self.clock.promoted(link, to));
                }
            }
        }
    }

    fn memberships(&mut self, rng: &mut StdRng) {
        // A deep chain, in many states closed to a cycle.
        let depth = rng.random_range(2..GROUPS);
        for n in 1..depth {
            let edge = self.clock.member_added(self.groups[n - 1], self.groups[n]);
            self.events.push(edge);
        }
        if rng.random_bool(0.3) {
            let edge = self
                .clock
                .member_added(self.groups[depth - 1], self.groups[0]);
            self.events.push(edge);
        }
        for _ in 0..rng.random_range(0..100) {
            let (group, member) = (one_of(&self.groups, rng), self.anyone(rng));
            self.events.push(self.clock.member_added(group, member));
        }
        for _ in 0..rng.random_range(0..6) {
            let (group, member) = (self.anyone(rng), self.anyone(rng));
            self.events.push(self.clock.member_added(group, member));
        }
        for _ in 0..rng.random_range(0..20) {
            let (group, member) = match rng.random_bool(0.3) {
                true => {
                    let n = rng.random_range(1..depth.max(2));
                    (self.groups[n - 1], self.groups[n])
                }
                false => (one_of(&self.groups, rng), self.anyone(rng)),
            };
            self.events.push(self.clock.member_removed(group, member));
        }
    }

    fn documents(&mut self, rng: &mut StdRng) {
        let public = [0.0, 0.02, 0.1][rng.random_range(0..3)];
        for document in self.documents.clone() {
            // Some are never created, some twice.
            for _ in 0..[0, 1, 1, 1, 1, 1, 1, 1, 1, 2][rng.random_range(0..10)] {
                let by = self.anyone(rng);
                self.events.push(self.clock.created(document, by, "Plan"));
            }
            for _ in 0..rng.random_range(0..10) {
                let to = self.anyone(rng);
                self.grant(document, to, rng);
                if rng.random_bool(0.2) {
                    self.events.push(self.clock.revoked(document, to, to));
                }
            }
            for word in ["everyone", "users"] {
                if rng.random_bool(public) {
                    self.grant(document, self.users[0], rng);
                    let grant = self.events.last_mut().expect("the grant");
                    grant.data["recipient"] = json!(word);
                }
            }
            if rng.random_bool(0.3) {
                let parts = json!({ "title": "Changed" });
                let by = self.anyone(rng);
                self.events.push(self.clock.updated(document, by, parts));
            }
        }
    }

    /// Around the number of permissions, revoked ones included, from which a document is wide.
    fn wide_documents(&mut self, rng: &mut StdRng, strangers: &[Uuid]) {
        for _ in 0..WIDE_DOCUMENTS {
            let document = one_of(&self.documents, rng);
            let count = rng.random_range(90..STRANGERS);
            for stranger in &strangers[..count] {
                match rng.random_bool(0.2) {
                    true => {
                        let revoked = self.clock.revoked(document, *stranger, *stranger);
                        self.events.push(revoked);
                    }
                    false => self.grant(document, *stranger, rng),
                }
            }
        }
    }

    /// Deletions, removals, purges, and what takes the first two back.
    fn ends(&mut self, rng: &mut StdRng) {
        for document in self.documents.clone() {
            let by = self.users[0];
            if rng.random_bool(0.15) {
                self.events.push(self.clock.deleted(document, by));
                if rng.random_bool(0.5) {
                    self.events.push(self.clock.restored(document, by));
                }
            }
            if rng.random_bool(0.02) {
                self.events.push(self.clock.purged(document, by));
            }
        }
        for principal in self.all() {
            if rng.random_bool(0.12) {
                self.events.push(self.clock.removed(principal));
                if rng.random_bool(0.4) {
                    self.events.push(self.clock.principal_restored(principal));
                }
            }
        }
    }

    fn grant(&mut self, document: Uuid, to: Uuid, rng: &mut StdRng) {
        let level = LEVELS[rng.random_range(0..LEVELS.len())];
        let expires_at = [None, None, None, Some(PAST), Some(FUTURE)][rng.random_range(0..5)];
        let granted = match expires_at {
            None => self.clock.granted(document, to, level, to),
            Some(at) => self.clock.granted_until(document, to, level, to, at),
        };
        self.events.push(granted);
    }
}

fn one_of(these: &[Uuid], rng: &mut StdRng) -> Uuid {
    *these.choose(rng).expect("one at least")
}
