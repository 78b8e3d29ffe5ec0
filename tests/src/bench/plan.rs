//! What happens to each principal and document, before it is told as events.

use rand::rngs::StdRng;
use rand::seq::index;
use rand::{Rng, SeedableRng};

use super::world::{Document, GROUPS, JOINED, Principal, REACHED, SPECIAL, WIDE, World};

/// One grant.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    /// To whom.
    pub to: Principal,
    /// At which level.
    pub level: &'static str,
    /// Until when.
    pub until: Until,
}

/// When a grant ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Never.
    Ever,
    /// It has not ended yet.
    Future,
    /// It has ended.
    Past,
    /// It was revoked.
    Revoked,
}

/// What becomes of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It lives.
    Lives,
    /// It is in the trash.
    Deleted,
    /// It came out of the trash.
    Restored,
    /// It is gone for ever.
    Purged,
    /// It only has grants.
    NotCreated,
}

/// A document's life.
#[derive(Debug)]
pub struct Plan {
    /// The creator, who becomes its first owner.
    pub creator: Principal,
    /// All other grants.
    pub grants: Vec<Grant>,
    /// How it ends.
    pub fate: Fate,
}

fn viewer(to: Principal) -> Grant {
    Grant {
        to,
        level: "viewer",
        until: Until::Ever,
    }
}

impl World {
    /// Every document, in the order in which they are told.
    pub fn documents(&self) -> impl Iterator<Item = Document> + use<> {
        let numbered = |count, kind: fn(u64) -> Document| (0..count).map(kind);
        numbered(self.size.plain(), Document::Plain)
            .chain(numbered(REACHED, Document::Deep))
            .chain(numbered(REACHED, Document::Read))
            .chain(numbered(GROUPS, Document::Single))
            .chain(numbered(SPECIAL, Document::Crowded))
            .chain(numbered(self.size.collected, Document::Collected))
            .chain(numbered(SPECIAL, Document::Hundred))
            .chain([Document::Famous])
    }

    /// How many that are.
    pub fn documents_in_all(&self) -> u64 {
        let special = 2 * REACHED + GROUPS + 2 * SPECIAL + 1;
        self.size.plain() + self.size.collected + special
    }

    /// The life of one document.
    pub fn plan(&self, document: Document) -> Plan {
        let seed = self.document(document).as_u64_pair().0;
        let mut rng = StdRng::seed_from_u64(seed);
        let users = self.size.users;
        let mut some_users = |count: u64| -> Vec<Principal> {
            let drawn = index::sample(&mut rng, users as usize, count as usize);
            drawn
                .into_iter()
                .map(|n| Principal::User(n as u64))
                .collect()
        };
        let (creator, grants) = match document {
            Document::Plain(n) => {
                let some = some_users(5);
                (some[0], self.plain_grants(n, &some[1..], &mut rng))
            }
            Document::Deep(_) => (some_users(1)[0], vec![viewer(Principal::Chain(0))]),
            Document::Read(_) => {
                let readers = (0..SPECIAL).map(Principal::Reader);
                (some_users(1)[0], readers.map(viewer).collect())
            }
            Document::Single(n) => (some_users(1)[0], vec![viewer(Principal::Guests(n))]),
            Document::Crowded(_) => {
                let guests = (0..GROUPS).map(Principal::Guests);
                (some_users(1)[0], guests.map(viewer).collect())
            }
            Document::Collected(_) => {
                let some = some_users(WIDE + 1);
                let others = some[1..].iter().copied().chain([Principal::Collector]);
                (some[0], others.map(viewer).collect())
            }
            Document::Hundred(_) => {
                let some = some_users(WIDE);
                (some[0], some[1..].iter().copied().map(viewer).collect())
            }
            Document::Famous => {
                let fans = (0..self.size.famous).map(Principal::User);
                (Principal::All, fans.map(viewer).collect())
            }
            Document::Unknown(_) => unreachable!("no event is about it"),
        };
        let fate = match document {
            Document::Plain(n) if n >= self.size.documents => match n % 4 {
                0 => Fate::Deleted,
                1 => Fate::Purged,
                2 => Fate::Restored,
                _ => Fate::NotCreated,
            },
            _ => Fate::Lives,
        };
        Plan {
            creator,
            grants,
            fate,
        }
    }

    /// With the creator's own grant a plain document that lives has five direct ones.
    fn plain_grants(&self, n: u64, some: &[Principal], rng: &mut StdRng) -> Vec<Grant> {
        let lives = n < self.size.documents;
        let mut direct = |to| Grant {
            to,
            level: ["viewer", "viewer", "viewer", "editor", "editor", "owner"]
                [rng.random_range(0..6)],
            until: match rng.random_range(0..50) {
                0 => Until::Past,
                1 => Until::Future,
                _ => Until::Ever,
            },
        };
        let mut grants: Vec<Grant> = some[..3].iter().map(|to| direct(*to)).collect();
        if n % 50 == 3 {
            grants[0].to = Principal::Link(rng.random_range(0..self.size.links()));
        }
        if lives {
            grants.push(viewer(Principal::All));
        }
        // "A tenth of the documents".
        if let Some(group) = self.group_of(n) {
            grants.push(viewer(group));
        }
        for (share, rest, to) in [
            (100, 54, Principal::Everyone),
            (500, 51, Principal::Users),
            (self.size.documents / self.size.medium, 7, Principal::Medium),
            (self.size.documents / 50, 11, Principal::Few),
        ] {
            if n % share == rest && (lives || share == 100) {
                grants.push(viewer(to));
            }
        }
        if n % 100 == 21 {
            grants.push(Grant {
                until: Until::Revoked,
                ..viewer(some[3])
            });
        }
        grants
    }

    /// The group that a plain document is granted to.
    pub fn group_of(&self, n: u64) -> Option<Principal> {
        n.is_multiple_of(10)
            .then(|| Principal::Group(self.number(64, n) % GROUPS))
    }

    /// Whether nothing but its five direct grants is known of a plain document.
    pub fn has_five_recipients(&self, n: u64) -> bool {
        let medium = self.size.documents / self.size.medium;
        !n.is_multiple_of(10)
            && n % 100 != 54
            && n % 500 != 51
            && n % 100 != 21
            && n % medium != 7
            && n % (self.size.documents / 50) != 11
    }

    /// Whether the group is removed.
    pub fn is_removed_group(group: u64) -> bool {
        group % 100 == 99
    }

    /// The members of a group.
    pub fn members(&self, group: u64) -> Vec<Principal> {
        let mut rng = StdRng::seed_from_u64(self.number(65, group));
        let users = self.size.users as usize;
        let drawn = index::sample(&mut rng, users, self.size.members as usize);
        drawn
            .into_iter()
            .map(|n| Principal::User(n as u64))
            .collect()
    }

    /// The groups of a joiner, none of them removed.
    pub fn joined(joiner: u64) -> impl Iterator<Item = u64> {
        let live: Vec<u64> = (0..GROUPS)
            .filter(|n| !Self::is_removed_group(*n))
            .collect();
        // 9 times 100 is less than there are, so none comes twice.
        (0..JOINED).map(move |n| live[((joiner * 61 + n * 9) % live.len() as u64) as usize])
    }

    /// Who took a share link over, if anybody did.
    pub fn promoted(&self, link: u64) -> Option<Principal> {
        link.is_multiple_of(2)
            .then(|| Principal::User(self.number(67, link) % self.size.users))
    }
}
