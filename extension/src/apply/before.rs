//! The values that registers hold before a batch changes them: read behind the locks, before anything is
//! written.

use std::collections::{BTreeSet, HashMap, HashSet};

use deed_core::decide::{Decision, Held};
use deed_core::fact::{DocumentRegister, Fact, PrincipalRegister, Register};
use deed_core::version::Instant;
use deed_core::{Level, RecipientKind};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use uuid::Uuid;

use crate::pg::enums::{oid_of, value_of};
use crate::pg::ids::{core_uuid, sql_uuids};
use crate::pg::session;
use crate::pg::spi::{self, Row, arg};

/// A document with more permissions than this, tombstones included, is wide: its rows in `listing` carry
/// no sort key, for an update would have to move them all. A part of the law: another number needs the
/// table filled anew.
const WIDE: usize = 100;

/// The values of what a batch speaks of.
pub struct Before {
    documents: HashMap<Uuid, Document>,
    principals: HashMap<Uuid, Principal>,
    /// Group and member of the memberships that hold.
    members: HashSet<(Uuid, Uuid)>,
}

/// What decides of one document's rows in `listing`, and of what is told of it.
#[derive(Clone, Default)]
pub struct Document {
    /// Whether it is created.
    pub created: bool,
    /// Whether it is in the trash.
    pub deleted: bool,
    /// Microseconds since 2000, as all times here.
    pub last_modified: Option<i64>,
    /// All of them; of a document that was wide already those alone that the batch changes.
    pub permissions: HashMap<Uuid, Permission>,
    /// Whether it has too many for a sort key beside each.
    pub wide: bool,
}

/// What one recipient is granted.
#[derive(Clone, Copy, Default)]
pub struct Permission {
    /// None where it is revoked, and where it has expired and that was told.
    pub level: Option<Level>,
    /// Until when; none is for ever.
    pub expires_at: Option<i64>,
}

/// What is told of one principal.
#[derive(Clone, Copy, Default)]
pub struct Principal {
    /// What it is.
    pub kind: Option<RecipientKind>,
    /// Whether it is removed.
    pub removed: bool,
    /// Who took it over.
    pub promoted_to: Option<Uuid>,
}

/// What the registers hold that the decision changes. `known` are the documents and principals that had
/// a row before.
pub fn read(known: [&[Uuid]; 2], decision: &Decision, held: &Held) -> Before {
    let [documents, principals] = known;
    Before {
        documents: read_documents(&touched(decision), documents, decision),
        principals: read_principals(principals, decision),
        members: read_members(decision, held),
    }
}

impl Before {
    /// The document; one without a row is as nothing.
    pub fn document(&self, id: &Uuid) -> Document {
        self.documents.get(id).cloned().unwrap_or_default()
    }

    /// Whether it was created.
    pub fn is_created(&self, document: &Uuid) -> bool {
        self.documents.get(document).is_some_and(|of| of.created)
    }

    /// Whether it was in the trash.
    pub fn is_deleted(&self, document: &Uuid) -> bool {
        self.documents.get(document).is_some_and(|of| of.deleted)
    }

    /// What the recipient was granted.
    pub fn permission(&self, document: &Uuid, recipient: &Uuid) -> Permission {
        let of = self.documents.get(document);
        let permission = of.and_then(|of| of.permissions.get(recipient));
        permission.copied().unwrap_or_default()
    }

    /// The principal; one without a row is as nothing.
    pub fn principal(&self, id: &Uuid) -> Principal {
        self.principals.get(id).copied().unwrap_or_default()
    }

    /// Whether it was in the group.
    pub fn is_member(&self, group: Uuid, member: Uuid) -> bool {
        self.members.contains(&(group, member))
    }
}

/// The documents of which anything is listed or told anew.
pub fn touched(decision: &Decision) -> BTreeSet<Uuid> {
    let of = |register: &Register| match register {
        Register::Document(id, DocumentRegister::Creation | DocumentRegister::Lifecycle) => {
            Some(*id)
        }
        Register::Permission { document, .. } => Some(*document),
        _ => None,
    };
    let taken = decision.taken.keys().filter_map(of);
    taken.chain(decision.modified.keys().copied()).collect()
}

fn read_documents(
    touched: &BTreeSet<Uuid>,
    known: &[Uuid],
    decision: &Decision,
) -> HashMap<Uuid, Document> {
    let is_known = |id: &&Uuid| known.binary_search(id).is_ok();
    let ids: Vec<Uuid> = touched.iter().filter(is_known).copied().collect();
    let mut documents: HashMap<Uuid, Document> = HashMap::new();
    if ids.is_empty() {
        return documents;
    }
    let levels = Level::ALL.map(|level| (level, oid_of(level)));
    let permission = |row: &Row, at: i32| {
        let level = row.get::<pg_sys::Oid>(at);
        let level = levels.iter().find(|(_, oid)| Some(*oid) == level);
        Permission {
            level: level
                .filter(|_| row.get(at + 2) == Some(false))
                .map(|of| of.0),
            expires_at: time(row, at + 1),
        }
    };
    // No further than it takes to tell whether a document is wide.
    spi::write(
        "SELECT n.id, p.recipient_id, p.level, p.expires_at, p.expired, d.created_at IS NOT NULL, \
           d.deleted_at IS NOT NULL, d.last_modified \
         FROM unnest($1) AS n (id) \
         CROSS JOIN LATERAL (SELECT * FROM deed.document AS d WHERE d.id = n.id OFFSET 0) AS d \
         LEFT JOIN LATERAL (SELECT p.recipient_id, p.level, p.expires_at, p.expired \
           FROM deed.permission AS p WHERE p.document_id = n.id LIMIT $2 + 1) AS p ON true",
        &[arg(sql_uuids(&ids)), arg(WIDE as i64)],
        |row| {
            let id = core_uuid(row.get(1)?);
            let document = documents.entry(id).or_insert_with(|| Document {
                created: row.get(6) == Some(true),
                deleted: row.get(7) == Some(true),
                last_modified: time(row, 8),
                ..Document::default()
            });
            let recipient = core_uuid(row.get(2)?);
            document.permissions.insert(recipient, permission(row, 3));
            Some(())
        },
    );
    for document in documents.values_mut() {
        if document.permissions.len() > WIDE {
            document.wide = true;
            document.permissions.clear();
        }
    }
    let of_wide = decision.taken.keys().filter_map(|register| match register {
        Register::Permission {
            document,
            recipient,
        } if documents.get(document).is_some_and(|of| of.wide) => Some((*document, *recipient)),
        _ => None,
    });
    let (ids, recipients): (Vec<Uuid>, Vec<Uuid>) = of_wide.unzip();
    if !ids.is_empty() {
        spi::write(
            "SELECT p.document_id, p.recipient_id, p.level, p.expires_at, p.expired \
             FROM ROWS FROM (unnest($1), unnest($2)) AS n (document_id, recipient_id) \
             CROSS JOIN LATERAL (SELECT * FROM deed.permission AS p \
               WHERE p.document_id = n.document_id AND p.recipient_id = n.recipient_id \
               OFFSET 0) AS p",
            &[arg(sql_uuids(&ids)), arg(sql_uuids(&recipients))],
            |row| {
                let document = documents.get_mut(&core_uuid(row.get(1)?))?;
                let recipient = core_uuid(row.get(2)?);
                document.permissions.insert(recipient, permission(row, 3));
                Some(())
            },
        );
    }
    documents
}

/// Of those whose kind, lifecycle or promotion changes.
fn read_principals(known: &[Uuid], decision: &Decision) -> HashMap<Uuid, Principal> {
    let told = |register: &Register| match register {
        Register::Principal(
            id,
            PrincipalRegister::Kind | PrincipalRegister::Lifecycle | PrincipalRegister::Promotion,
        ) => Some(*id),
        _ => None,
    };
    let ids: BTreeSet<Uuid> = decision.taken.keys().filter_map(told).collect();
    let is_known = |id: &Uuid| known.binary_search(id).is_ok();
    let ids: Vec<Uuid> = ids.into_iter().filter(is_known).collect();
    if ids.is_empty() {
        return HashMap::new();
    }
    spi::write(
        "SELECT p.id, p.kind, p.removed_at IS NOT NULL, p.promoted_to \
         FROM deed.principal AS p WHERE p.id = ANY ($1)",
        &[arg(sql_uuids(&ids))],
        |row| {
            let principal = Principal {
                kind: row.get::<pg_sys::Oid>(2).and_then(value_of),
                removed: row.get(3)?,
                promoted_to: row.get(4).map(core_uuid),
            };
            Some((core_uuid(row.get(1)?), principal))
        },
    )
    .into_iter()
    .flatten()
    .collect()
}

fn read_members(decision: &Decision, held: &Held) -> HashSet<(Uuid, Uuid)> {
    let known = |register: &Register| match register {
        Register::Membership { group, member } if held.versions.contains_key(register) => {
            Some((*group, *member))
        }
        _ => None,
    };
    let (groups, members): (Vec<Uuid>, Vec<Uuid>) = decision.taken.keys().filter_map(known).unzip();
    if groups.is_empty() {
        return HashSet::new();
    }
    spi::write(
        "SELECT m.group_id, m.member_id \
         FROM ROWS FROM (unnest($1), unnest($2)) AS n (group_id, member_id) \
         CROSS JOIN LATERAL (SELECT * FROM deed.membership AS m \
           WHERE m.group_id = n.group_id AND m.member_id = n.member_id OFFSET 0) AS m \
         WHERE NOT m.removed",
        &[arg(sql_uuids(&groups)), arg(sql_uuids(&members))],
        |row| Some((core_uuid(row.get(1)?), core_uuid(row.get(2)?))),
    )
    .into_iter()
    .flatten()
    .collect()
}

impl Document {
    /// What it is when the batch is written.
    pub fn after(&self, id: Uuid, decision: &Decision) -> Self {
        let mut after = self.clone();
        let taken = |part| decision.taken.get(&Register::Document(id, part));
        after.created |= taken(DocumentRegister::Creation).is_some();
        if let Some((_, lifecycle)) = taken(DocumentRegister::Lifecycle) {
            after.deleted = matches!(lifecycle, Fact::Deleted { .. });
        }
        if let Some(modification) = decision.modified.get(&id) {
            after.last_modified = Some(modification.version.time().to_postgres_micros());
        }
        let now = session::statement_start();
        let permission = |recipient| Register::Permission {
            document: id,
            recipient,
        };
        let permissions = permission(Uuid::nil())..=permission(Uuid::max());
        for (register, (_, fact)) in decision.taken.range(permissions) {
            if let (
                Register::Permission { recipient, .. },
                Fact::Permission {
                    level, expires_at, ..
                },
            ) = (register, fact)
            {
                let permission = Permission::written(*level, *expires_at, now);
                after.permissions.insert(*recipient, permission);
            }
        }
        after.wide |= after.permissions.len() > WIDE;
        after
    }
}

impl Permission {
    /// One that is written `now`: it may have expired already.
    pub fn written(level: Option<Level>, expires_at: Option<Instant>, now: i64) -> Self {
        let expires_at = expires_at.map(Instant::to_postgres_micros);
        Self {
            level: level.filter(|_| expires_at.is_none_or(|at| at > now)),
            expires_at,
        }
    }

    /// Whether its expiry lies behind it, and needs no telling.
    pub fn is_expired(&self) -> bool {
        self.level.is_none() && self.expires_at.is_some()
    }
}

fn time(row: &Row, column: i32) -> Option<i64> {
    row.get::<TimestampWithTimeZone>(column).map(i64::from)
}
