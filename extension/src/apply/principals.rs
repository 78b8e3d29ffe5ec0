//! The registers of principals, under the lock of their row.

use std::collections::{BTreeSet, HashSet};

use deed_core::decide::{Decision, Held};
use deed_core::fact::{Fact, PrincipalRegister, Register};
use deed_core::version::Version;
use pgrx::datum::DatumWithOid;
use uuid::Uuid;

use super::rows::Rows;
use super::sql_time;
use crate::pg::ids::{sql_uuid, sql_uuids};
use crate::pg::spi::arg;

const ROWS: Rows<PrincipalRegister, 6> = Rows {
    table: "deed.principal",
    columns: "id, kind_version, kind, name_version, name, description_version, \
    description, token_version, token_sha256, removed_version, removed_at, removed_by, \
    promotion_version, promoted_to, node",
    source: SOURCE,
    registers: [
        (PrincipalRegister::Kind, "kind_version", "kind"),
        (PrincipalRegister::Name, "name_version", "name"),
        (
            PrincipalRegister::Description,
            "description_version",
            "description",
        ),
        (PrincipalRegister::Token, "token_version", "token_sha256"),
        (
            PrincipalRegister::Lifecycle,
            "removed_version",
            "removed_at, removed_by",
        ),
        (
            PrincipalRegister::Promotion,
            "promotion_version",
            "promoted_to",
        ),
    ],
    ended: "false",
    mark: "node",
    rest: ", node = t.node OR n.node",
};

const SOURCE: &str = "(SELECT u.id, u.kind_version, u.kind::deed.permission_recipient AS kind, \
      u.name_version, u.name, u.description_version, u.description, u.token_version, \
      u.token_sha256, u.removed_version, u.removed_at, u.removed_by, u.promotion_version, \
      u.promoted_to, u.node \
    FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), \
      unnest($7), unnest($8), unnest($9), unnest($10), unnest($11), unnest($12), unnest($13), \
      unnest($14), unnest($15)) \
    AS u (id, kind_version, kind, name_version, name, description_version, description, \
      token_version, token_sha256, removed_version, removed_at, removed_by, promotion_version, \
      promoted_to, node)) AS n";

/// The principals that others reach or reached something through: groups that have or had members, and
/// links that were promoted. They never cease to be that.
pub struct Nodes {
    /// Those that were before the batch.
    before: HashSet<Uuid>,
    /// Those that the batch makes, ascending.
    made: BTreeSet<Uuid>,
}

impl Nodes {
    /// Of those that a batch is about, `before` of which were already.
    pub fn after(decision: &Decision, before: HashSet<Uuid>) -> Self {
        let made = made(decision).filter(|id| !before.contains(id)).collect();
        Self { before, made }
    }

    /// Whether that is one now.
    pub fn contains(&self, id: &Uuid) -> bool {
        self.before.contains(id) || self.made.contains(id)
    }

    /// Those that the batch makes.
    pub fn made(&self) -> impl Iterator<Item = &Uuid> {
        self.made.iter()
    }
}

/// Whatever is at the receiving end of a membership or promotion.
fn made(decision: &Decision) -> impl Iterator<Item = Uuid> {
    decision.taken.keys().filter_map(|register| match register {
        Register::Membership { group, .. } => Some(*group),
        Register::Principal(link, PrincipalRegister::Promotion) => Some(*link),
        _ => None,
    })
}

/// Writes those that are new, whole; gives the others, ascending.
pub fn insert(ids: &[Uuid], decision: &Decision) -> Vec<Uuid> {
    ROWS.insert(ids, |unknown| rows(unknown, decision))
}

/// Locks the rows in order and adds the versions that they hold; gives the nodes among them.
pub fn lock(ids: &[Uuid], held: &mut Held) -> HashSet<Uuid> {
    ROWS.lock(ids, held, Register::Principal)
}

/// Writes the registers of known principals that changed, and which are nodes now.
pub fn update(known: &[Uuid], decision: &Decision, nodes: &Nodes) {
    let is_changed = |id: &Uuid| {
        let mut parts = ROWS.registers.iter().map(|(part, ..)| *part);
        nodes.made.contains(id) || parts.any(|part| taken(decision, *id, part).is_some())
    };
    let changed: Vec<Uuid> = known.iter().copied().filter(is_changed).collect();
    if !changed.is_empty() {
        ROWS.update(&rows(&changed, decision));
    }
}

fn taken(decision: &Decision, id: Uuid, part: PrincipalRegister) -> Option<&(Version, Fact)> {
    decision.taken.get(&Register::Principal(id, part))
}

/// The arguments of [`SOURCE`].
fn rows<'a>(ids: &[Uuid], decision: &Decision) -> Vec<DatumWithOid<'a>> {
    let versions = |part| -> Vec<Option<Vec<u8>>> {
        let version = |id: &Uuid| Some(taken(decision, *id, part)?.0.as_bytes().to_vec());
        ids.iter().map(version).collect()
    };
    let fact = |id: &Uuid, part| taken(decision, *id, part).map(|(_, fact)| fact);
    let kinds: Vec<Option<&'static str>> = ids
        .iter()
        .map(|id| match fact(id, PrincipalRegister::Kind) {
            Some(Fact::Kind(kind)) => Some(kind.word()),
            _ => None,
        })
        .collect();
    let names: Vec<Option<String>> = ids
        .iter()
        .map(|id| match fact(id, PrincipalRegister::Name) {
            Some(Fact::Name(name)) => name.clone(),
            _ => None,
        })
        .collect();
    let descriptions: Vec<Option<String>> = ids
        .iter()
        .map(|id| match fact(id, PrincipalRegister::Description) {
            Some(Fact::Description(description)) => description.clone(),
            _ => None,
        })
        .collect();
    let tokens: Vec<Option<Vec<u8>>> = ids
        .iter()
        .map(|id| match fact(id, PrincipalRegister::Token) {
            Some(Fact::Token(token)) => token.map(|digest| digest.to_vec()),
            _ => None,
        })
        .collect();
    let (removed_at, removed_by): (Vec<_>, Vec<_>) = ids
        .iter()
        .map(
            |id| match taken(decision, *id, PrincipalRegister::Lifecycle) {
                Some((version, Fact::Removed { by })) => {
                    (Some(sql_time(version.time())), by.map(sql_uuid))
                }
                _ => (None, None),
            },
        )
        .unzip();
    let promoted_to: Vec<Option<pgrx::Uuid>> = ids
        .iter()
        .map(|id| match fact(id, PrincipalRegister::Promotion) {
            Some(Fact::Promoted { user }) => Some(sql_uuid(*user)),
            _ => None,
        })
        .collect();
    let made: HashSet<Uuid> = made(decision).collect();
    let nodes: Vec<bool> = ids.iter().map(|id| made.contains(id)).collect();
    vec![
        arg(sql_uuids(ids)),
        arg(versions(PrincipalRegister::Kind)),
        arg(kinds),
        arg(versions(PrincipalRegister::Name)),
        arg(names),
        arg(versions(PrincipalRegister::Description)),
        arg(descriptions),
        arg(versions(PrincipalRegister::Token)),
        arg(tokens),
        arg(versions(PrincipalRegister::Lifecycle)),
        arg(removed_at),
        arg(removed_by),
        arg(versions(PrincipalRegister::Promotion)),
        arg(promoted_to),
        arg(nodes),
    ]
}
