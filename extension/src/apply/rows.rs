//! Rows that hold several registers and whose lock orders them: documents and principals.

use std::collections::HashSet;

use deed_core::decide::Held;
use deed_core::fact::Register;
use deed_core::version::Version;
use pgrx::datum::DatumWithOid;
use uuid::Uuid;

use crate::pg::ids::{core_uuid, sql_uuids};
use crate::pg::spi::{self, arg};

/// A table with `N` registers a row.
pub struct Rows<P, const N: usize> {
    /// The table.
    pub table: &'static str,
    /// All columns, the id first.
    pub columns: &'static str,
    /// The arguments as a relation `n` of these columns.
    pub source: &'static str,
    /// Each register with the column of its version and those of its value.
    pub registers: [(P, &'static str, &'static str); N],
    /// Whether a row `n` holds no register for ever.
    pub ended: &'static str,
    /// What is asked of a row besides when it is locked, true or false.
    pub mark: &'static str,
    /// What an update sets besides registers.
    pub rest: &'static str,
}

impl<P: Copy, const N: usize> Rows<P, N> {
    /// Writes those that have no row, whole, by the `values` of these; gives the others. Both in ascending
    /// order of ids, as `ids` must be.
    pub fn insert<'a>(
        &self,
        ids: &[Uuid],
        values: impl FnOnce(&[Uuid]) -> Vec<DatumWithOid<'a>>,
    ) -> Vec<Uuid> {
        if ids.is_empty() {
            return Vec::new();
        }
        let Self {
            table,
            columns,
            source,
            ..
        } = self;
        // Most have one, and to find that out by a conflict costs more than to look.
        let found = spi::write(
            &format!("SELECT id FROM {table} WHERE id = ANY ($1)"),
            &[arg(sql_uuids(ids))],
            |row| row.get(1).map(core_uuid),
        );
        let found: HashSet<Uuid> = found.into_iter().flatten().collect();
        let is_unknown = |id: &Uuid| !found.contains(id);
        let unknown: Vec<Uuid> = ids.iter().copied().filter(is_unknown).collect();
        if unknown.is_empty() {
            return ids.to_vec();
        }
        let inserted = spi::write(
            &format!(
                "INSERT INTO {table} ({columns}) SELECT {columns} FROM {source} ORDER BY id \
                 ON CONFLICT (id) DO NOTHING RETURNING id"
            ),
            &values(&unknown),
            |row| row.get(1).map(core_uuid),
        );
        let inserted: HashSet<Uuid> = inserted.into_iter().flatten().collect();
        let is_known = |id: &Uuid| !inserted.contains(id);
        ids.iter().copied().filter(is_known).collect()
    }

    /// Writes the registers of known rows that `values` sets; the others stay.
    pub fn update(&self, values: &[DatumWithOid<'_>]) {
        let ended = self.ended;
        let assign = |(_, version, columns): &(P, &str, &str)| {
            let assign = |column| {
                format!(
                    "{column} = CASE WHEN n.{version} IS NOT NULL OR {ended} \
                       THEN n.{column} ELSE t.{column} END"
                )
            };
            let columns = std::iter::once(*version).chain(columns.split(", "));
            columns.map(assign).collect::<Vec<_>>().join(", ")
        };
        let assignments = self.registers.each_ref().map(assign).join(", ");
        let Self {
            table,
            source,
            rest,
            ..
        } = self;
        spi::execute(
            &format!("UPDATE {table} AS t SET {assignments}{rest} FROM {source} WHERE t.id = n.id"),
            values,
        );
    }

    /// Locks the rows in ascending order and adds the versions that they hold; gives those with the
    /// mark.
    pub fn lock(
        &self,
        ids: &[Uuid],
        held: &mut Held,
        register: impl Fn(Uuid, P) -> Register,
    ) -> HashSet<Uuid> {
        if ids.is_empty() {
            return HashSet::new();
        }
        let versions = self.registers.each_ref().map(|(_, version, _)| *version);
        let rows = spi::write(
            &format!(
                "SELECT id, {}, {} FROM {} WHERE id = ANY ($1) ORDER BY id FOR UPDATE",
                self.mark,
                versions.join(", "),
                self.table
            ),
            &[arg(sql_uuids(ids))],
            |row| {
                let versions: [_; N] = std::array::from_fn(|i| row.get::<Vec<u8>>(i as i32 + 3));
                Some((core_uuid(row.get(1)?), row.get(2)?, versions))
            },
        );
        let mut marked = HashSet::new();
        for (id, is_marked, versions) in rows.into_iter().flatten() {
            if is_marked {
                marked.insert(id);
            }
            for ((part, ..), bytes) in self.registers.iter().zip(versions) {
                if let Some(version) = bytes.as_deref().and_then(Version::from_bytes) {
                    held.versions.insert(register(id, *part), version);
                }
            }
        }
        marked
    }
}
