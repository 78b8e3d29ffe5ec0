//! Who holds what: the closure of a principal, the grants that live, and the lists.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;
use uuid::Uuid;

use super::facts::{EVERYONE, Register, USERS};
use super::state::{Grant, State, uuid};
use super::version::micros;
use super::{Level, Sort};

impl State {
    pub(super) fn removed(&self, principal: Uuid) -> bool {
        self.value(Register::Principal(principal, "lifecycle"))["gone"] == true
    }

    pub(super) fn kind(&self, principal: Uuid) -> &Value {
        self.value(Register::Principal(principal, "kind"))
    }

    pub(super) fn created(&self, document: Uuid) -> bool {
        !self
            .value(Register::Document(document, "creation"))
            .is_null()
    }

    pub(super) fn in_trash(&self, document: Uuid) -> bool {
        self.value(Register::Document(document, "lifecycle"))["gone"] == true
    }

    /// The group and the member of each membership.
    fn memberships(&self) -> impl Iterator<Item = (Uuid, Uuid)> {
        self.registers.iter().filter_map(|(register, (_, value))| {
            match (*register, value["member"] == true) {
                (Register::Membership(group, member), true) => Some((group, member)),
                _ => None,
            }
        })
    }

    /// `(x, y)` where x holds what y holds: members and their groups, users and their links.
    /// Nothing passes through a removed principal.
    fn edges(&self) -> &[(Uuid, Uuid)] {
        self.memo.edges.get_or_init(|| self.find_edges())
    }

    fn find_edges(&self) -> Vec<(Uuid, Uuid)> {
        let memberships = self.memberships().map(|(group, member)| (member, group));
        let promotions =
            self.registers
                .iter()
                .filter_map(|(register, (_, user))| match *register {
                    Register::Principal(link, "promotion") => Some((uuid(user)?, link)),
                    _ => None,
                });
        let mut edges: Vec<(Uuid, Uuid)> = memberships.chain(promotions).collect();
        edges.retain(|(x, y)| !self.removed(*x) && !self.removed(*y));
        edges
    }

    /// All whose grants `principal` holds.
    fn closure(&self, principal: Uuid) -> Rc<BTreeSet<Uuid>> {
        let known = self.memo.closures.borrow().get(&principal).cloned();
        known.unwrap_or_else(|| {
            let found = Rc::new(self.find_closure(principal));
            let mut closures = self.memo.closures.borrow_mut();
            closures.insert(principal, Rc::clone(&found));
            found
        })
    }

    fn find_closure(&self, principal: Uuid) -> BTreeSet<Uuid> {
        if self.removed(principal) {
            return BTreeSet::new();
        }
        let mut closure = BTreeSet::from([principal, EVERYONE]);
        if self.is_user(principal) {
            closure.insert(USERS);
        }
        let edges = self.edges();
        loop {
            let before = closure.len();
            for (x, y) in edges {
                if closure.contains(x) {
                    closure.insert(*y);
                }
            }
            if closure.len() == before {
                return closure;
            }
        }
    }

    /// Recipient and level of each grant that is neither revoked nor expired.
    fn grants(&self, document: Uuid, now: &str) -> Vec<(Uuid, Level)> {
        let now = micros(now);
        let grants = self.memo.grants.get_or_init(|| self.find_grants());
        let live = grants.get(&document).into_iter().flatten();
        live.filter(|(_, _, expires_at)| expires_at.is_none_or(|at| i128::from(at) > now))
            .map(|(to, level, _)| (*to, *level))
            .collect()
    }

    fn find_grants(&self) -> BTreeMap<Uuid, Vec<Grant>> {
        let mut grants: BTreeMap<Uuid, Vec<Grant>> = BTreeMap::new();
        for (register, (_, value)) in &self.registers {
            let level = Level::ALL.into_iter().find(|l| value["level"] == l.word());
            if let (Register::Permission(document, to), Some(level)) = (*register, level) {
                let grant = (to, level, value["expires_at"].as_i64());
                grants.entry(document).or_default().push(grant);
            }
        }
        grants
    }

    /// The greatest grant on the document, were it not in the trash.
    fn level_if_restored(&self, principal: Uuid, document: Uuid, now: &str) -> Option<Level> {
        if !self.created(document) {
            return None;
        }
        let closure = self.closure(principal);
        let grants = self.grants(document, now).into_iter();
        grants
            .filter(|(to, _)| closure.contains(to))
            .map(|(_, level)| level)
            .max()
    }

    pub fn level(&self, principal: Uuid, document: Uuid, now: &str) -> Option<Level> {
        match self.in_trash(document) {
            true => None,
            false => self.level_if_restored(principal, document, now),
        }
    }

    pub fn documents(
        &self,
        principal: Uuid,
        at_least: Level,
        sort: Sort,
        now: &str,
    ) -> Vec<(Uuid, Level)> {
        let level = |id| Some((id, self.level(principal, id, now)?));
        let mut documents: Vec<(Uuid, Level)> = self.ids().into_iter().filter_map(level).collect();
        documents.retain(|(_, level)| *level >= at_least);
        if sort == Sort::LastModified {
            documents.sort_by_key(|(id, _)| Reverse((self.modified[id].0.micros(), *id)));
        }
        documents
    }

    pub fn principals(&self, document: Uuid, at_least: Level, now: &str) -> Vec<(Uuid, Level)> {
        let grants = self.grants(document, now);
        let built_in = [EVERYONE, USERS];
        let reached = |principal: Uuid, to: Uuid| match built_in.contains(&principal) {
            true => to == principal,
            false => !built_in.contains(&to) && self.closure(principal).contains(&to),
        };
        let listed = |principal: &Uuid| {
            !self.is_group(*principal) && grants.iter().any(|(to, _)| reached(*principal, *to))
        };
        let level = |id| Some((id, self.level(id, document, now)?));
        let principals = self.ids().into_iter().filter(listed).filter_map(level);
        principals.filter(|(_, level)| *level >= at_least).collect()
    }

    /// By its kind; of unknown kind, one that has members, removed ones included.
    pub fn is_group(&self, principal: Uuid) -> bool {
        let with_members = || self.memberships().map(|(group, _)| group).collect();
        match self.kind(principal).as_str() {
            Some(kind) => kind == "group",
            None => self
                .memo
                .groups
                .get_or_init(with_members)
                .contains(&principal),
        }
    }

    /// Whether what `users` holds is the principal's.
    pub fn is_user(&self, principal: Uuid) -> bool {
        let user = self.kind(principal) == "user" || principal == USERS;
        user && !self.removed(principal)
    }

    /// Whatever the lifecycle of the document.
    pub fn permissions(&self, document: Uuid, now: &str) -> Vec<(Uuid, Level)> {
        let mut grants = self.grants(document, now);
        grants.retain(|(to, _)| !self.removed(*to));
        grants
    }

    pub fn members(&self, group: Uuid) -> Vec<Uuid> {
        let members = self.memberships().filter(|(of, _)| *of == group);
        members
            .map(|(_, member)| member)
            .filter(|member| !self.removed(*member) && !self.removed(group))
            .collect()
    }

    pub fn deleted(&self, principal: Uuid, now: &str) -> Vec<Uuid> {
        let owned = |id: &Uuid| {
            let level = self.level_if_restored(principal, *id, now);
            self.in_trash(*id) && level == Some(Level::Owner)
        };
        let mut documents: Vec<Uuid> = self.ids().into_iter().filter(owned).collect();
        documents.sort_by_key(|id| {
            let (version, _) = &self.registers[&Register::Document(*id, "lifecycle")];
            Reverse((version.micros(), *id))
        });
        documents
    }

    pub fn orphaned(&self, now: &str) -> Vec<Uuid> {
        let owned = |document| {
            self.grants(document, now).into_iter().any(|(to, level)| {
                level == Level::Owner && ![EVERYONE, USERS].contains(&to) && !self.removed(to)
            })
        };
        let orphaned = |id: &Uuid| self.created(*id) && !self.in_trash(*id) && !owned(*id);
        self.ids().into_iter().filter(orphaned).collect()
    }
}
