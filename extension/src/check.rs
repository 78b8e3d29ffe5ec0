//! The answer to "may this principal do this with this document?".
//!
//! A document's permissions lie side by side in one index, with their levels, those of everyone and
//! users first. So one look reads what most answers need. Only when a better level is granted to
//! somebody else are the principal's groups and links looked up, and the two sides intersected at
//! the cost of the smaller one. Groups within groups are a third side, `deed.closure`, met in the
//! same way (a join as in Veldhuizen's leapfrog triejoin).

use std::cell::OnceCell;
use std::rc::Rc;

use deed_core::{EVERYONE, Level, USERS};
use uuid::Uuid;

use crate::failure::Failure;
use crate::pg::btree::key::Key;
use crate::pg::btree::range::{Range, common};
use crate::pg::btree::{Entry, Indexes, ask};
use crate::pg::catalog::{self, Index};
use crate::pg::session;

/// The level that a principal holds on a document, by the calling statement's snapshot: the
/// greatest that is granted to a member of its closure, or the first one that is `enough`.
///
/// Nobody has a level on a document that is deleted or not created yet.
pub fn level(principal: Uuid, document: Uuid, enough: Level) -> Result<Option<Level>, Failure> {
    ask(|indexes| Asker::new(indexes, principal).level(document, enough))
}

/// A principal that asks about one document or many.
pub struct Asker<'i> {
    indexes: &'i Indexes,
    principal: Uuid,
    /// What it is in, and the links it took over; read when first needed.
    holds: Option<[Range<'i>; 2]>,
    removed: OnceCell<bool>,
    user: OnceCell<bool>,
}

/// The permissions on one document, and the best level found so far.
struct Search<'i> {
    grants: Range<'i>,
    best: Option<Level>,
    enough: Level,
    now: i64,
    catalog: Rc<catalog::Catalog>,
}

impl<'i> Asker<'i> {
    /// Knows nothing yet.
    pub fn new(indexes: &'i Indexes, principal: Uuid) -> Self {
        Self {
            indexes,
            principal,
            holds: None,
            removed: OnceCell::new(),
            user: OnceCell::new(),
        }
    }

    /// See [`level`].
    pub fn level(&mut self, document: Uuid, enough: Level) -> Result<Option<Level>, Failure> {
        let grants = self
            .indexes
            .range(Index::Permission, Key::EMPTY.id(document))?;
        let mut search = Search {
            grants,
            best: None,
            enough,
            now: session::statement_start(),
            catalog: catalog::current()?,
        };
        search.grants.load()?;
        self.by_name(&mut search)?;
        let is_built_in = [EVERYONE, USERS].contains(&self.principal);
        if !search.is_done() && !is_built_in && search.is_more_granted(self.principal) {
            self.through_others(&mut search)?;
        }
        let Some(level) = search.best else {
            return Ok(None);
        };
        let counts = !self.is_removed()?
            && self
                .indexes
                .row(Index::DocumentNotLive, document)?
                .is_none();
        Ok(counts.then_some(level))
    }

    /// What is granted to the principal itself and to the built-in recipients.
    fn by_name(&self, search: &mut Search<'i>) -> Result<(), Failure> {
        search.take(self.principal, || Ok(true))?;
        search.take(EVERYONE, || Ok(true))?;
        search.take(USERS, || self.is_user())
    }

    /// What is granted to whatever the principal is in or has taken over, at any depth.
    fn through_others(&mut self, search: &mut Search<'i>) -> Result<(), Failure> {
        let mut holds = match self.holds.take() {
            Some(holds) => holds,
            None => {
                let of = Key::EMPTY.id(self.principal);
                let mut ranges = [
                    self.indexes.range(Index::MembershipByMember, of)?,
                    self.indexes.range(Index::PrincipalByPromotion, of)?,
                ];
                for range in &mut ranges {
                    range.load()?;
                }
                ranges
            }
        };
        for held in &mut holds {
            if !search.is_done() && !held.is_empty() {
                self.through(held, search)?;
            }
        }
        self.holds = Some(holds);
        Ok(())
    }

    fn through(&self, held: &mut Range<'i>, search: &mut Search<'i>) -> Result<(), Failure> {
        for id in common(held, &mut search.grants)? {
            search.take(id, || self.passes(held, id))?;
            if search.is_done() {
                return Ok(());
            }
        }
        match search.grants.is_smaller_than(held) {
            true => self.downwards(held, search),
            false => self.upwards(held, search),
        }
    }

    /// From each group that the principal is in up to all that it reaches.
    fn upwards(&self, held: &mut Range<'i>, search: &mut Search<'i>) -> Result<(), Failure> {
        for id in self.indexes.first_of(Index::Closure, &held.ids())? {
            let mut reached = self.indexes.range(Index::Closure, Key::EMPTY.id(id))?;
            for group in common(&mut reached, &mut search.grants)? {
                search.take(group, || {
                    Ok(reached.seen(group, |_| true)?.is_some() && self.passes(held, id)?)
                })?;
                if search.is_done() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// From each recipient down to all that reach it.
    fn downwards(&self, held: &mut Range<'i>, search: &mut Search<'i>) -> Result<(), Failure> {
        let recipients = search.grants.ids();
        for group in self.indexes.first_of(Index::ClosureByGroup, &recipients)? {
            search.take(group, || {
                let of = Key::EMPTY.id(group);
                let mut reaching = self.indexes.range(Index::ClosureByGroup, of)?;
                for id in common(&mut reaching, held)? {
                    if reaching.seen(id, |_| true)?.is_some() && self.passes(held, id)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            })?;
            if search.is_done() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether the principal holds what this one does.
    fn passes(&self, held: &Range<'i>, id: Uuid) -> Result<bool, Failure> {
        Ok(held.seen(id, |_| true)?.is_some()
            && self.indexes.row(Index::PrincipalRemoved, id)?.is_none())
    }

    fn is_removed(&self) -> Result<bool, Failure> {
        once(&self.removed, || {
            let row = self.indexes.row(Index::PrincipalRemoved, self.principal)?;
            Ok(row.is_some())
        })
    }

    fn is_user(&self) -> Result<bool, Failure> {
        once(&self.user, || {
            if self.principal == USERS {
                return Ok(true);
            }
            let row = self.indexes.row(Index::PrincipalKind, self.principal)?;
            let user = catalog::current()?.user;
            Ok(row.is_some_and(|row| row.carried.label == user))
        })
    }
}

impl Search<'_> {
    fn is_done(&self) -> bool {
        self.best >= Some(self.enough)
    }

    /// Takes the recipient's own grant if that lives, is better than the best so far, and `counts`
    /// for who asks.
    fn take(
        &mut self,
        recipient: Uuid,
        counts: impl FnOnce() -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        if self.is_done() {
            return Ok(());
        }
        let better = |entry: &Entry| self.level(entry) > self.best;
        if let Some(grant) = self.grants.seen(recipient, better)?
            && counts()?
        {
            self.best = self.level(&grant);
        }
        Ok(())
    }

    /// Whether somebody else may be granted more than the best so far.
    fn is_more_granted(&self, principal: Uuid) -> bool {
        let named = [principal, EVERYONE, USERS];
        let more = |(id, entry)| !named.contains(&id) && self.level(entry) > self.best;
        !self.grants.is_complete() || self.grants.loaded().any(more)
    }

    fn level(&self, entry: &Entry) -> Option<Level> {
        match entry.carried.instant > self.now {
            true => self.catalog.level(entry.carried.label),
            false => None,
        }
    }
}

fn once(
    place: &OnceCell<bool>,
    find: impl FnOnce() -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    match place.get() {
        Some(known) => Ok(*known),
        None => {
            let found = find()?;
            Ok(*place.get_or_init(|| found))
        }
    }
}
