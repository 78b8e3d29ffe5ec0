//! What is told of a batch: events where a value changed, and marks where the relay must look.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use deed_core::decide::Decision;
use deed_core::fact::{DocumentRegister, Fact, PrincipalRegister, Register};
use deed_core::outbound::{Cause, Change, Outbound};
use deed_core::version::{Instant, Version};
use deed_core::{EVERYONE, Level, RecipientKind, USERS};
use uuid::Uuid;

use super::before::{Before, Permission};
use super::principals::Nodes;
use crate::marks::{Kind, Marks};
use crate::outbox;
use crate::pg::ids::{core_uuid, sql_uuids};
use crate::pg::session;
use crate::pg::spi::{self, arg};
use crate::traces::Traces;

/// Puts the events into the outbox and writes the marks. Under the locks of all that changed, so that
/// what is told of one subject is told in the order in which it happened.
pub fn tell(before: &Before, decision: &Decision, nodes: &Nodes, traces: &Traces) {
    let mut told = Told {
        before,
        nodes,
        kinds: outbox::recipient_kinds(&recipients(decision)),
        now: session::statement_start(),
        events: Vec::new(),
        marks: Marks::default(),
        documents: BTreeMap::new(),
    };
    for (id, (version, by)) in &decision.purged {
        told.event(*id, version, Change::DocumentPurged { by: *by });
        told.document(*id, version);
        told.marks.add(Kind::Owned, *id, Some(version));
    }
    for (register, (version, fact)) in &decision.taken {
        match (register, fact) {
            (Register::Document(id, part), fact) => told.of_document(*id, *part, version, fact),
            (Register::Principal(id, part), fact) => told.of_principal(*id, *part, version, fact),
            (Register::Membership { group, member }, Fact::Membership { member: added, .. }) => {
                told.membership(*group, *member, version, *added);
            }
            (
                Register::Permission {
                    document,
                    recipient,
                },
                Fact::Permission {
                    level, expires_at, ..
                },
            ) => {
                let new = Permission::written(*level, *expires_at, told.now);
                told.permission(*document, *recipient, version, new);
            }
            _ => {}
        }
    }
    told.write(traces);
}

struct Told<'a> {
    before: &'a Before,
    nodes: &'a Nodes,
    kinds: HashMap<Uuid, RecipientKind>,
    now: i64,
    events: Vec<Outbound>,
    marks: Marks,
    /// Those on which somebody's level may have changed, each with the greatest event that did it.
    documents: BTreeMap<Uuid, Version>,
}

impl Told<'_> {
    fn of_document(&mut self, id: Uuid, part: DocumentRegister, version: &Version, fact: &Fact) {
        let change = match (part, fact) {
            (DocumentRegister::Lifecycle, Fact::Deleted { by }) if !self.before.is_deleted(&id) => {
                Some(Change::DocumentDeleted { by: *by })
            }
            (DocumentRegister::Lifecycle, Fact::Restored { by }) if self.before.is_deleted(&id) => {
                Some(Change::DocumentRestored { by: *by })
            }
            (DocumentRegister::Creation, _) if !self.before.is_created(&id) => None,
            _ => return,
        };
        if let Some(change) = change {
            self.event(id, version, change);
        }
        self.document(id, version);
        self.marks.add(Kind::Owned, id, Some(version));
    }

    fn permission(&mut self, id: Uuid, recipient: Uuid, version: &Version, new: Permission) {
        let old = self.before.permission(&id, &recipient);
        let until = |of: &Permission| of.level.and(of.expires_at);
        if old.level == new.level && until(&old) == until(&new) {
            return;
        }
        let change = Change::Permission {
            recipient,
            recipient_kind: self.kinds.get(&recipient).copied(),
            old: old.level,
            new: new.level,
            expires_at: new.expires_at.map(Instant::from_postgres_micros),
        };
        self.event(id, version, change);
        self.document(id, version);
        let owners = [old.level, new.level].map(|level| level == Some(Level::Owner));
        if owners.contains(&true) && ![EVERYONE, USERS].contains(&recipient) {
            self.marks.add(Kind::Owned, id, Some(version));
        }
    }

    fn of_principal(&mut self, id: Uuid, part: PrincipalRegister, version: &Version, fact: &Fact) {
        let old = self.before.principal(&id);
        match (part, fact) {
            (PrincipalRegister::Kind, Fact::Kind(kind)) => {
                // Who is in `users`; nobody else holds that through it.
                let user = RecipientKind::User;
                if (old.kind == Some(user)) != (*kind == user) {
                    self.marks.add(Kind::Principal, id, Some(version));
                }
            }
            (PrincipalRegister::Promotion, Fact::Promoted { user }) => {
                if old.promoted_to == Some(*user) {
                    return;
                }
                self.event(id, version, Change::PrincipalPromoted { user: *user });
                for user in [*user].into_iter().chain(old.promoted_to) {
                    self.marks.add(Kind::Principal, user, Some(version));
                    // Whether the former one is a node is not known here.
                    self.marks.add(Kind::Group, user, Some(version));
                }
            }
            (PrincipalRegister::Lifecycle, fact) => {
                let removed = matches!(fact, Fact::Removed { .. });
                if old.removed == removed {
                    return;
                }
                let change = match removed {
                    true => Change::PrincipalRemoved,
                    false => Change::PrincipalRestored,
                };
                self.event(id, version, change);
                self.reach(id, version);
                self.marks.add(Kind::Owner, id, Some(version));
            }
            _ => {}
        }
    }

    fn membership(&mut self, group: Uuid, member: Uuid, version: &Version, added: bool) {
        if self.before.is_member(group, member) != added {
            self.event(group, version, Change::Group { member, added });
            self.reach(member, version);
        }
    }

    /// What the principal holds through others may have changed, and what its members hold.
    fn reach(&mut self, principal: Uuid, version: &Version) {
        self.marks.add(Kind::Principal, principal, Some(version));
        if self.nodes.contains(&principal) {
            self.marks.add(Kind::Group, principal, Some(version));
        }
    }

    fn event(&mut self, subject: Uuid, version: &Version, change: Change) {
        let event = Outbound::new(subject, &change, Cause::Event(version));
        self.events.push(event);
    }

    fn document(&mut self, id: Uuid, version: &Version) {
        let cause = self.documents.entry(id).or_insert_with(|| version.clone());
        if *cause < *version {
            *cause = version.clone();
        }
    }

    fn write(mut self, traces: &Traces) {
        for id in watched(self.documents.keys()) {
            self.marks.add(Kind::Document, id, self.documents.get(&id));
        }
        outbox::put(&self.events, traces);
        self.marks.write(traces);
    }
}

/// Those on which anybody's level is watched. Whoever begins to watch holds the document's lock meanwhile, so
/// none is overlooked.
fn watched<'a>(documents: impl Iterator<Item = &'a Uuid>) -> Vec<Uuid> {
    let ids: Vec<Uuid> = documents.copied().collect();
    if ids.is_empty() {
        return Vec::new();
    }
    let found = spi::write(
        "SELECT n.id FROM unnest($1) AS n (id) \
         CROSS JOIN LATERAL (SELECT FROM deed.watched AS w WHERE w.document_id = n.id LIMIT 1) AS w",
        &[arg(sql_uuids(&ids))],
        |row| row.get(1).map(core_uuid),
    );
    found.into_iter().flatten().collect()
}

/// Whose permissions the batch changes.
fn recipients(decision: &Decision) -> Vec<Uuid> {
    let recipient = |register: &Register| match register {
        Register::Permission { recipient, .. } => Some(*recipient),
        _ => None,
    };
    let ids: BTreeSet<Uuid> = decision.taken.keys().filter_map(recipient).collect();
    ids.into_iter().collect()
}
