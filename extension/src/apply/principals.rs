//! The registers of principals, under the lock of their row.

use deed_core::decide::{Decision, Held};
use deed_core::fact::{Fact, PrincipalRegister, Register};
use deed_core::version::Version;
use pgrx::datum::DatumWithOid;
use uuid::Uuid;

use super::rows::Rows;
use super::sql_uuids;
use crate::pg::spi::{self, arg};

const ROWS: Rows<PrincipalRegister, 4> = Rows {
    table: "deed.principal",
    columns: "id, kind_version, kind, name_version, name, description_version, \
    description, token_version, token_sha256",
    source: SOURCE,
    registers: [
        (PrincipalRegister::Kind, "kind_version"),
        (PrincipalRegister::Name, "name_version"),
        (PrincipalRegister::Description, "description_version"),
        (PrincipalRegister::Token, "token_version"),
    ],
};

const SOURCE: &str = "(SELECT u.id, u.kind_version, u.kind::deed.permission_recipient AS kind, \
      u.name_version, u.name, u.description_version, u.description, u.token_version, u.token_sha256 \
    FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), \
      unnest($7), unnest($8), unnest($9)) \
    AS u (id, kind_version, kind, name_version, name, description_version, description, \
      token_version, token_sha256)) AS n";

/// Writes those that are new, whole; gives the others, ascending.
pub fn insert(ids: &[Uuid], decision: &Decision) -> Vec<Uuid> {
    match ids.is_empty() {
        true => Vec::new(),
        false => ROWS.insert(ids, &rows(ids, decision)),
    }
}

/// Locks the rows in order and adds the versions that they hold.
pub fn lock(ids: &[Uuid], held: &mut Held) {
    ROWS.lock(ids, held, Register::Principal);
}

/// Writes the registers of known principals that changed.
pub fn update(known: &[Uuid], decision: &Decision) {
    let changed: Vec<Uuid> = known
        .iter()
        .copied()
        .filter(|id| {
            ROWS.registers
                .iter()
                .any(|(part, _)| taken(decision, *id, *part).is_some())
        })
        .collect();
    if changed.is_empty() {
        return;
    }
    spi::execute(
        &format!(
            "UPDATE deed.principal AS p SET \
               kind_version = coalesce(n.kind_version, p.kind_version), \
               kind = CASE WHEN n.kind_version IS NULL THEN p.kind ELSE n.kind END, \
               name_version = coalesce(n.name_version, p.name_version), \
               name = CASE WHEN n.name_version IS NULL THEN p.name ELSE n.name END, \
               description_version = coalesce(n.description_version, p.description_version), \
               description = CASE WHEN n.description_version IS NULL THEN p.description \
                 ELSE n.description END, \
               token_version = coalesce(n.token_version, p.token_version), \
               token_sha256 = CASE WHEN n.token_version IS NULL THEN p.token_sha256 \
                 ELSE n.token_sha256 END \
             FROM {SOURCE} WHERE p.id = n.id"
        ),
        &rows(&changed, decision),
    );
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
    ]
}
