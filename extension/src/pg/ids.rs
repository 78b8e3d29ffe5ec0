//! Uuids, as pgrx has them and as everything else does.

use uuid::Uuid;

/// For SQL.
pub fn sql_uuid(id: Uuid) -> pgrx::Uuid {
    pgrx::Uuid::from_bytes(*id.as_bytes())
}

/// For SQL, as an array.
pub fn sql_uuids(ids: &[Uuid]) -> Vec<pgrx::Uuid> {
    ids.iter().copied().map(sql_uuid).collect()
}

/// From SQL.
pub fn core_uuid(id: pgrx::Uuid) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}
