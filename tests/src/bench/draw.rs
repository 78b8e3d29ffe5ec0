//! Pairs of principal and document, drawn from the seed.

use std::collections::HashSet;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::forms::Form;
use super::plan::{Grant, Until};
use super::session::{Fallible, Session};
use super::world::{Document, GROUPS, Principal, REACHED, SPECIAL, World};

/// Pairs in a table.
pub const PAIRS: usize = 10_000;

/// Who asks about what, and for which level.
pub type Pair = (Principal, Document, &'static str);

/// Draws pairs.
pub struct Draw<'a> {
    world: &'a World,
    rng: StdRng,
    /// Users that are in no group.
    loners: Vec<u64>,
}

impl<'a> Draw<'a> {
    /// Starts over from the world's seed.
    pub fn new(world: &'a World) -> Self {
        let grouped: HashSet<Principal> = (0..GROUPS).flat_map(|n| world.members(n)).collect();
        let is_loner = |n: &u64| !grouped.contains(&Principal::User(*n));
        Self {
            world,
            rng: StdRng::seed_from_u64(world.seed),
            loners: (0..world.size.users).filter(is_loner).collect(),
        }
    }

    /// So many of what `pair` draws; it may draw none and is asked again.
    pub fn pairs(&mut self, mut pair: impl FnMut(&mut Self) -> Option<Pair>) -> Vec<Pair> {
        let mut pairs = Vec::with_capacity(PAIRS);
        while pairs.len() < PAIRS {
            pairs.extend(pair(self));
        }
        pairs
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.rng.random_range(0..end)
    }

    /// A plain document that lives.
    pub fn plain(&mut self) -> u64 {
        self.below(self.world.size.documents)
    }

    /// A plain document that is granted to no group, nor to all.
    pub fn ungrouped(&mut self) -> u64 {
        loop {
            let n = self.plain();
            if self.world.has_five_recipients(n) {
                return n;
            }
        }
    }

    /// A user.
    pub fn user(&mut self) -> Principal {
        Principal::User(self.below(self.world.size.users))
    }

    /// A user in no group.
    pub fn loner(&mut self) -> Principal {
        Principal::User(*self.loners.choose(&mut self.rng).expect("half the users"))
    }

    /// So many of them, always the same.
    pub fn some_loners(&self, count: u64) -> Vec<Principal> {
        let some = self.loners.iter().take(count as usize);
        some.map(|n| Principal::User(*n)).collect()
    }

    /// One of a few.
    pub fn special(&mut self) -> u64 {
        self.below(SPECIAL)
    }

    /// One of the documents that a special grant reaches.
    pub fn reached(&mut self) -> u64 {
        self.below(REACHED)
    }

    /// A document, someone whom one of its grants reaches, and a level not above.
    pub fn reachable(&mut self) -> Option<Pair> {
        let n = self.plain();
        let plan = self.world.plan(Document::Plain(n));
        let own = Grant {
            to: plan.creator,
            level: "owner",
            until: Until::Ever,
        };
        let grants: Vec<Grant> = plan.grants.into_iter().chain([own]).collect();
        let grant = grants.choose(&mut self.rng)?;
        if matches!(grant.until, Until::Past | Until::Revoked) {
            return None;
        }
        let who = match grant.to {
            Principal::Everyone | Principal::Users => self.user(),
            Principal::Group(group) => *self.world.members(group).choose(&mut self.rng)?,
            Principal::Link(link) if self.rng.random() => self.world.promoted(link)?,
            // It alone would be a fifth of all pairs.
            Principal::All => return None,
            named => named,
        };
        let levels = match grant.level {
            "owner" => &["viewer", "editor", "owner"][..],
            "editor" => &["viewer", "editor"],
            _ => &["viewer"],
        };
        Some((who, Document::Plain(n), levels.choose(&mut self.rng)?))
    }

    /// A user and a document to which nothing is known to lead.
    pub fn unrelated(&mut self) -> Pair {
        let document = self.below(self.world.size.plain());
        (self.user(), Document::Plain(document), "viewer")
    }

    /// A direct grant to a user on a plain document.
    pub fn direct(&mut self) -> Option<Pair> {
        let n = self.ungrouped();
        let plan = self.world.plan(Document::Plain(n));
        let grant = *plan.grants.choose(&mut self.rng)?;
        let is_user = matches!(grant.to, Principal::User(_));
        let lives = matches!(grant.until, Until::Ever | Until::Future);
        (is_user && lives).then_some((grant.to, Document::Plain(n), "viewer"))
    }

    /// A pair in which some rare rule has its say.
    pub fn unusual(&mut self) -> Option<Pair> {
        let world = self.world;
        let plain = Document::Plain(self.plain());
        let dead = Document::Plain(world.size.documents + self.below(world.size.documents / 50));
        let granted = |document| world.plan(document).grants;
        let link = self.below(world.size.links());
        let pair = match self.below(14) {
            0 => (granted(dead)[0].to, dead),
            1 => (
                Principal::User(self.below(world.size.users / 1_000) * 1_000 + 7),
                plain,
            ),
            2 => (
                Principal::Everyone,
                Document::Plain(self.plain() / 100 * 100 + 54),
            ),
            3 => (
                Principal::Users,
                Document::Plain(self.plain() / 500 * 500 + 51),
            ),
            4 => (
                Principal::Stranger(self.below(2 * GROUPS)),
                Document::Plain(self.plain() / 100 * 100 + 54),
            ),
            5 => (self.user(), Document::Unknown(self.plain())),
            6 => (
                Principal::Deep(self.special()),
                Document::Deep(self.reached()),
            ),
            7 => (
                Principal::Chain(self.below(5)),
                Document::Deep(self.reached()),
            ),
            8 => (
                Principal::Hub(self.special()),
                Document::Plain(self.plain() / 10 * 10),
            ),
            9 => (
                Principal::Joiner(self.special()),
                Document::Plain(self.plain() / 10 * 10),
            ),
            10 => (
                Principal::Link(link),
                Document::Plain(self.plain() / 50 * 50 + 3),
            ),
            11 => {
                let document = Document::Plain(self.plain() / 50 * 50 + 3);
                match granted(document)[0].to {
                    Principal::Link(link) if link % 2 == 0 => (world.promoted(link)?, document),
                    link => (link, document),
                }
            }
            12 => {
                let grants = granted(plain);
                let past = |grant: &&Grant| grant.until != Until::Ever;
                (grants.iter().find(past)?.to, plain)
            }
            _ => {
                let n = self.below(GROUPS);
                (Principal::Guests(n), Document::Single(n))
            }
        };
        Some((pair.0, pair.1, "viewer"))
    }

    /// Puts pairs into a table of this session, in the order drawn.
    pub fn store(&self, session: &Session, table: &str, pairs: &[Pair]) -> Fallible<()> {
        let principals: Vec<_> = pairs
            .iter()
            .map(|pair| self.world.principal(pair.0))
            .collect();
        let documents: Vec<_> = pairs
            .iter()
            .map(|pair| self.world.document(pair.1))
            .collect();
        let levels: Vec<&str> = pairs.iter().map(|pair| pair.2).collect();
        session.execute(&format!(
            "DROP TABLE IF EXISTS {table};
             CREATE TEMP TABLE {table} (principal uuid NOT NULL, document uuid NOT NULL,
               level deed.permission_level NOT NULL)"
        ))?;
        session.client().execute(
            &format!(
                "INSERT INTO {table} SELECT p, d, l::deed.permission_level
                 FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS q (p, d, l)"
            ),
            &[&principals, &documents, &levels],
        )?;
        session.execute(&format!("ANALYZE {table}"))
    }

    /// The same, of which only those stay to which `form` gives this answer; at least 9 of 10.
    pub fn store_answered(
        &self,
        session: &Session,
        table: &str,
        pairs: &[Pair],
        (form, answer): (&Form, bool),
    ) -> Fallible<usize> {
        self.store(session, table, pairs)?;
        session.execute(&format!(
            "DELETE FROM {table} AS q WHERE {} IS DISTINCT FROM {answer}; ANALYZE {table}",
            form.over_pairs()
        ))?;
        let left = session.count(&format!("SELECT count(*) FROM {table}"))? as usize;
        match left * 10 >= pairs.len() * 9 {
            true => Ok(left),
            false => Err(format!(
                "of {} pairs in {table} only {left} are {answer}",
                pairs.len()
            )
            .into()),
        }
    }
}
