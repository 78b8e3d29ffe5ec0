//! The plans as events.

use serde_json::json;

use super::plan::{Fate, Until};
use super::world::{CHAIN, Document, GROUPS, Principal, SPECIAL, World};
use crate::event::{Clock, Event};

/// When grants end that have ended.
const PAST: &str = "2026-02-01T00:00:00Z";
/// When grants end that live.
const FUTURE: &str = "9999-01-01T00:00:00Z";

impl World {
    /// All principals and who is in which group.
    pub fn tell_principals(&self) -> Vec<Event> {
        let mut clock = Clock::default();
        let mut events = Vec::new();
        let numbered = |count, kind: fn(u64) -> Principal| (0..count).map(kind);
        let users = numbered(self.size.users, Principal::User)
            .chain(numbered(SPECIAL, Principal::Deep))
            .chain(numbered(SPECIAL, Principal::Reader))
            .chain(numbered(SPECIAL, Principal::Joiner))
            .chain(numbered(SPECIAL, Principal::Hub))
            .chain(numbered(GROUPS, Principal::Visitor))
            .chain([
                Principal::All,
                Principal::Medium,
                Principal::Few,
                Principal::Collector,
            ]);
        let groups = numbered(GROUPS, Principal::Group)
            .chain(numbered(GROUPS, Principal::Guests))
            .chain(numbered(CHAIN, Principal::Chain));
        let links = numbered(self.size.links(), Principal::Link);
        let all = users
            .map(|who| (who, "user"))
            .chain(groups.map(|who| (who, "group")))
            .chain(links.map(|who| (who, "anonymous")));
        for (who, kind) in all {
            events.push(clock.registered(self.principal(who), kind, &format!("{who:?}")));
        }
        for (group, member) in self.memberships() {
            let (group, member) = (self.principal(group), self.principal(member));
            events.push(clock.member_added(group, member));
        }
        for n in 0..GROUPS {
            // One that was a member once.
            let (group, gone) = (Principal::Group(n), Principal::Stranger(n));
            let (group, gone) = (self.principal(group), self.principal(gone));
            events.push(clock.member_added(group, gone));
            events.push(clock.member_removed(group, gone));
        }
        for n in 0..self.size.links() {
            if let Some(user) = self.promoted(n) {
                let (link, user) = (self.principal(Principal::Link(n)), self.principal(user));
                events.push(clock.promoted(link, user));
            }
        }
        let removed = numbered(self.size.users, Principal::User)
            .skip(7)
            .step_by(1_000)
            .chain(
                numbered(self.size.links(), Principal::Link)
                    .skip(5)
                    .step_by(15),
            )
            .chain(numbered(GROUPS, Principal::Group).skip(99).step_by(100));
        for who in removed {
            events.push(clock.removed(self.principal(who)));
        }
        events
    }

    fn memberships(&self) -> Vec<(Principal, Principal)> {
        let mut all = Vec::new();
        for n in 1..CHAIN {
            all.push((Principal::Chain(n - 1), Principal::Chain(n)));
        }
        for n in 0..SPECIAL {
            all.push((Principal::Chain(CHAIN - 1), Principal::Deep(n)));
            let joined =
                Self::joined(n).map(|group| (Principal::Group(group), Principal::Joiner(n)));
            all.extend(joined);
        }
        for group in 0..GROUPS {
            let members = self.members(group);
            all.extend(
                members
                    .into_iter()
                    .map(|who| (Principal::Group(group), who)),
            );
            all.extend((0..SPECIAL).map(|n| (Principal::Group(group), Principal::Hub(n))));
            all.push((Principal::Guests(group), Principal::Visitor(group)));
        }
        all
    }

    /// The life of one document.
    pub fn tell_document(&self, clock: &mut Clock, document: Document) -> Vec<Event> {
        let plan = self.plan(document);
        let id = self.document(document);
        let creator = self.principal(plan.creator);
        let mut events = Vec::with_capacity(plan.grants.len() + 3);
        if plan.fate != Fate::NotCreated {
            events.push(clock.created(id, creator, &format!("{document:?}")));
        }
        for grant in &plan.grants {
            let to = self.principal(grant.to);
            let mut granted = clock.granted(id, to, grant.level, creator);
            granted.data["recipient"] = match grant.to {
                Principal::Everyone => json!("everyone"),
                Principal::Users => json!("users"),
                _ => json!(to),
            };
            match grant.until {
                Until::Past => granted.data["expires_at"] = json!(PAST),
                Until::Future => granted.data["expires_at"] = json!(FUTURE),
                Until::Ever | Until::Revoked => {}
            }
            events.push(granted);
            if grant.until == Until::Revoked {
                events.push(clock.revoked(id, to, creator));
            }
        }
        match plan.fate {
            Fate::Deleted => events.push(clock.deleted(id, creator)),
            Fate::Purged => events.push(clock.purged(id, creator)),
            Fate::Restored => {
                events.push(clock.deleted(id, creator));
                events.push(clock.restored(id, creator));
            }
            Fate::Lives | Fate::NotCreated => {}
        }
        events
    }
}
