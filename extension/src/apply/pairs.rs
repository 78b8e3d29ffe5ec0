//! Rows of two ids that hold one register: permissions and memberships.

use deed_core::decide::Held;
use deed_core::fact::Register;
use deed_core::version::Version;
use uuid::Uuid;

use crate::pg::ids::{core_uuid, sql_uuids};
use crate::pg::spi::{self, arg};

/// A table keyed by two ids.
pub struct Pairs {
    /// The table.
    pub table: &'static str,
    /// The columns of its key, in order.
    pub key: [&'static str; 2],
}

impl Pairs {
    /// Reads the versions that the rows with these keys hold.
    pub fn read(
        &self,
        keys: impl Iterator<Item = (Uuid, Uuid)>,
        register: fn(Uuid, Uuid) -> Register,
        held: &mut Held,
    ) {
        let (first, second): (Vec<Uuid>, Vec<Uuid>) = keys.unzip();
        if first.is_empty() {
            return;
        }
        let Self { table, key: [a, b] } = self;
        let rows = spi::write(
            &format!(
                "SELECT t.{a}, t.{b}, t.version \
                 FROM ROWS FROM (unnest($1), unnest($2)) AS n ({a}, {b}) \
                 JOIN {table} AS t USING ({a}, {b})"
            ),
            &[arg(sql_uuids(&first)), arg(sql_uuids(&second))],
            |row| {
                let register = register(core_uuid(row.get(1)?), core_uuid(row.get(2)?));
                Some((register, Version::from_bytes(&row.get::<Vec<u8>>(3)?)?))
            },
        );
        held.versions.extend(rows.into_iter().flatten());
    }
}
