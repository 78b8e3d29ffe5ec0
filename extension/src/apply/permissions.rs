//! The permission registers. They stand under the lock of their document.

use deed_core::decide::{Decision, Held};
use deed_core::fact::{Fact, Register};
use uuid::Uuid;

use super::before::Permission;
use super::pairs::Pairs;
use super::sql_time;
use crate::pg::ids::sql_uuid;
use crate::pg::session;
use crate::pg::spi::{self, arg};

const PAIRS: Pairs = Pairs {
    table: "deed.permission",
    key: ["document_id", "recipient_id"],
};

/// Reads the versions held for the permissions that `wanted` names, on locked known documents.
pub fn read(known_documents: &[Uuid], wanted: &Decision, held: &mut Held) {
    let registers = wanted.taken.keys().chain(&wanted.absorbed);
    let keys = registers.filter_map(|register| match register {
        Register::Permission {
            document,
            recipient,
        } => Some((*document, *recipient)),
        _ => None,
    });
    PAIRS.read(
        keys.filter(|(document, _)| known_documents.binary_search(document).is_ok()),
        |document, recipient| Register::Permission {
            document,
            recipient,
        },
        held,
    );
}

/// Deletes all permissions of documents that the batch purges.
pub fn purge(decision: &Decision) {
    if decision.purged.is_empty() {
        return;
    }
    let documents: Vec<pgrx::Uuid> = decision.purged.keys().copied().map(sql_uuid).collect();
    spi::execute(
        "DELETE FROM deed.permission WHERE document_id = ANY ($1)",
        &[arg(documents)],
    );
}

/// Writes the permissions that changed.
pub fn write(decision: &Decision) {
    let mut documents = Vec::new();
    let mut recipients = Vec::new();
    let mut versions = Vec::new();
    let mut levels = Vec::new();
    let mut actors = Vec::new();
    let mut times = Vec::new();
    let mut expiries = Vec::new();
    let mut expired = Vec::new();
    let now = session::statement_start();
    for (register, (version, fact)) in &decision.taken {
        if let (
            Register::Permission {
                document,
                recipient,
            },
            Fact::Permission {
                level,
                by,
                expires_at,
            },
        ) = (register, fact)
        {
            documents.push(sql_uuid(*document));
            recipients.push(sql_uuid(*recipient));
            versions.push(version.as_bytes().to_vec());
            levels.push(level.map(|level| level.word()));
            actors.push(sql_uuid(*by));
            times.push(sql_time(version.time()));
            expiries.push(expires_at.map(sql_time));
            expired.push(Permission::written(*level, *expires_at, now).is_expired());
        }
    }
    if documents.is_empty() {
        return;
    }
    spi::execute(
        "INSERT INTO deed.permission (document_id, recipient_id, version, level, granted_by, \
           granted_at, expires_at, expired) \
         SELECT n.document_id, n.recipient_id, n.version, n.level::deed.permission_level, \
           n.granted_by, n.granted_at, n.expires_at, n.expired \
         FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), \
             unnest($7), unnest($8)) \
           AS n (document_id, recipient_id, version, level, granted_by, granted_at, expires_at, \
             expired) \
         ON CONFLICT (document_id, recipient_id) DO UPDATE \
         SET version = excluded.version, level = excluded.level, \
           granted_by = excluded.granted_by, granted_at = excluded.granted_at, \
           expires_at = excluded.expires_at, expired = excluded.expired",
        &[
            arg(documents),
            arg(recipients),
            arg(versions),
            arg(levels),
            arg(actors),
            arg(times),
            arg(expiries),
            arg(expired),
        ],
    );
}
