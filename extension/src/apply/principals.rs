//! The registers of principals, under the lock of their row.

use deed_core::decide::{Decision, Held};
use deed_core::fact::{Fact, PrincipalRegister, Register};
use deed_core::version::Version;
use pgrx::datum::DatumWithOid;
use uuid::Uuid;

use super::{core_uuid, sql_uuid, sql_uuids};
use crate::pg::spi::{self, arg};

/// The registers in the order of their version columns below.
const REGISTERS: [PrincipalRegister; 4] = [
    PrincipalRegister::Kind,
    PrincipalRegister::Name,
    PrincipalRegister::Description,
    PrincipalRegister::Token,
];

const COLUMNS: &str = "id, kind_version, kind, name_version, name, description_version, \
    description, token_version, token_sha256";

const SOURCE: &str = "(SELECT u.id, u.kind_version, u.kind::deed.permission_recipient AS kind, \
      u.name_version, u.name, u.description_version, u.description, u.token_version, u.token_sha256 \
    FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), \
      unnest($7), unnest($8), unnest($9)) \
    AS u (id, kind_version, kind, name_version, name, description_version, description, \
      token_version, token_sha256)) AS n";

/// Writes those that are new, whole; gives the others, ascending.
pub fn insert(ids: &[Uuid], decision: &Decision) -> Vec<Uuid> {
    if ids.is_empty() {
        return Vec::new();
    }
    let inserted: Vec<Option<Uuid>> = spi::write(
        &format!(
            "INSERT INTO deed.principal ({COLUMNS}) SELECT {COLUMNS} FROM {SOURCE} ORDER BY id \
             ON CONFLICT (id) DO NOTHING RETURNING id"
        ),
        &rows(ids, decision),
        |row| row.get(1).map(core_uuid),
    );
    super::without(ids, inserted)
}

/// Locks the rows in order and adds the versions that they hold.
pub fn lock(ids: &[Uuid], held: &mut Held) {
    if ids.is_empty() {
        return;
    }
    let rows = spi::write(
        "SELECT id, kind_version, name_version, description_version, token_version \
         FROM deed.principal WHERE id = ANY ($1) ORDER BY id FOR UPDATE",
        &[arg(sql_uuids(ids))],
        |row| {
            let id = core_uuid(row.get(1)?);
            let versions = std::array::from_fn(|i| row.get::<Vec<u8>>(i as i32 + 2));
            Some((id, versions))
        },
    );
    for (id, versions) in rows.into_iter().flatten() {
        super::hold(held, REGISTERS, versions, |part| {
            Register::Principal(id, part)
        });
    }
}

/// Writes the registers of known principals that changed.
pub fn update(known: &[Uuid], decision: &Decision) {
    let changed: Vec<Uuid> = known
        .iter()
        .copied()
        .filter(|id| {
            REGISTERS
                .iter()
                .any(|part| taken(decision, *id, *part).is_some())
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
        arg(ids.iter().copied().map(sql_uuid).collect::<Vec<_>>()),
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
