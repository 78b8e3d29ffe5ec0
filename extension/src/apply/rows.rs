//! Rows that hold several registers and whose lock orders them: documents and principals.

use std::collections::HashSet;

use deed_core::decide::Held;
use deed_core::fact::Register;
use deed_core::version::Version;
use pgrx::datum::DatumWithOid;
use uuid::Uuid;

use super::{core_uuid, sql_uuids};
use crate::pg::spi::{self, arg};

/// A table with `N` registers a row.
pub struct Rows<P, const N: usize> {
    /// The table.
    pub table: &'static str,
    /// All columns, the id first.
    pub columns: &'static str,
    /// The arguments as a relation `n` of these columns.
    pub source: &'static str,
    /// Each register with the column of its version.
    pub registers: [(P, &'static str); N],
}

impl<P: Copy, const N: usize> Rows<P, N> {
    /// Writes those that are new, whole; gives the others. Both in ascending order of ids, as
    /// `ids` must be.
    pub fn insert(&self, ids: &[Uuid], values: &[DatumWithOid<'_>]) -> Vec<Uuid> {
        let Self {
            table,
            columns,
            source,
            ..
        } = self;
        let inserted: HashSet<Uuid> = spi::write(
            &format!(
                "INSERT INTO {table} ({columns}) SELECT {columns} FROM {source} ORDER BY id \
                 ON CONFLICT (id) DO NOTHING RETURNING id"
            ),
            values,
            |row| row.get(1).map(core_uuid),
        )
        .into_iter()
        .flatten()
        .collect();
        let known = |id: &Uuid| !inserted.contains(id);
        ids.iter().copied().filter(known).collect()
    }

    /// Locks the rows in ascending order and adds the versions that they hold.
    pub fn lock(&self, ids: &[Uuid], held: &mut Held, register: impl Fn(Uuid, P) -> Register) {
        if ids.is_empty() {
            return;
        }
        let versions = self.registers.each_ref().map(|(_, column)| *column);
        let rows = spi::write(
            &format!(
                "SELECT id, {} FROM {} WHERE id = ANY ($1) ORDER BY id FOR UPDATE",
                versions.join(", "),
                self.table
            ),
            &[arg(sql_uuids(ids))],
            |row| {
                let versions: [_; N] = std::array::from_fn(|i| row.get::<Vec<u8>>(i as i32 + 2));
                Some((core_uuid(row.get(1)?), versions))
            },
        );
        for (id, versions) in rows.into_iter().flatten() {
            for ((part, _), bytes) in self.registers.iter().zip(versions) {
                if let Some(version) = bytes.as_deref().and_then(Version::from_bytes) {
                    held.insert(register(id, *part), version);
                }
            }
        }
    }
}
