//! All that the events left in the tables, as text to be compared.

use std::collections::BTreeMap;

use postgres::Client;

/// Each table's rows, in the order of their keys. What depends on the consumer, on the moment or
/// on where a record lay (positions; a quarantined record's id, time and offset) is left out.
const TABLES: [(&str, &str); 7] = [
    (
        "document",
        "SELECT t::text FROM deed.document AS t ORDER BY id",
    ),
    (
        "principal",
        "SELECT t::text FROM deed.principal AS t ORDER BY id",
    ),
    (
        "permission",
        "SELECT t::text FROM deed.permission AS t ORDER BY document_id, recipient_id",
    ),
    (
        "membership",
        "SELECT t::text FROM deed.membership AS t ORDER BY group_id, member_id",
    ),
    (
        "listing",
        "SELECT t::text FROM deed.listing AS t ORDER BY recipient_id, document_id",
    ),
    (
        "closure",
        "SELECT t::text FROM deed.closure AS t ORDER BY member_id, group_id",
    ),
    // A record that was sent twice is quarantined twice, for it is two records.
    (
        "quarantine",
        "SELECT DISTINCT row(record_key, headers, payload, reason)::text FROM deed.quarantine ORDER BY 1",
    ),
];

/// Removes what the events left.
pub fn clear(client: &mut Client) {
    client
        .batch_execute(
            "DELETE FROM deed.document; DELETE FROM deed.principal; DELETE FROM deed.permission;
             DELETE FROM deed.membership; DELETE FROM deed.listing; DELETE FROM deed.closure;
             DELETE FROM deed.quarantine; DELETE FROM deed.outbox; DELETE FROM deed.mark;
             DELETE FROM deed.lease; DELETE FROM deed.watched; DELETE FROM deed.orphan",
        )
        .expect("cleared");
}

/// The rows of each table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<&'static str, Vec<String>>);

impl Snapshot {
    /// Reads the tables.
    pub fn take(client: &mut Client) -> Self {
        // Postgres' text of a bytea and of a time depends on these.
        client
            .batch_execute("SET bytea_output = 'hex'; SET TimeZone = 'UTC'")
            .expect("settings");
        let read = |(table, query): (&'static str, &str)| {
            let rows = client.query(query, &[]).expect(query);
            (table, rows.iter().map(|row| row.get(0)).collect())
        };
        Self(TABLES.into_iter().map(read).collect())
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> usize {
        self.0[table].len()
    }

    /// Fails with the first difference.
    pub fn assert_equals(&self, other: &Self, what: &str) {
        if let Err(difference) = self.compare(other) {
            panic!("{what}: {difference}");
        }
    }

    /// The first difference, if any.
    pub fn compare(&self, other: &Self) -> Result<(), String> {
        for (table, rows) in &self.0 {
            let others = &other.0[table];
            if let Some(n) =
                (0..rows.len().max(others.len())).find(|&n| rows.get(n) != others.get(n))
            {
                return Err(format!(
                    "table {table} differs ({} and {} rows), first in row {n}:\n{:?}\n{:?}",
                    rows.len(),
                    others.len(),
                    rows.get(n),
                    others.get(n)
                ));
            }
        }
        Ok(())
    }
}
