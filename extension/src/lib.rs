//! The Postgres extension `deed`: document permissions, fed by events, asked in SQL.
//!
//! `sql/` holds what a reader of the database sees; `pg` is the only room that knows Postgres from
//! inside, and `pg::entry` lists the functions that SQL calls. [`apply`] takes events in,
//! [`check`], [`list`] and [`explain`] answer, and [`freshness`] says whether they know of an event yet.
//! What changes is told through the [`outbox`]: by [`apply`] itself, or by [`settle`], where [`marks`] say that it must
//! look. [`watch`] asks for the changes of a level. [`traces`] go along.

pub mod apply;
pub mod check;
pub mod check_many;
pub mod closure;
pub mod explain;
pub mod failure;
pub mod freshness;
pub mod list;
pub mod marks;
pub mod outbox;
pub mod pg;
pub mod settle;
pub mod traces;
pub mod watch;

pgrx::pg_module_magic!(name, version);

pgrx::extension_sql_file!("../sql/types.sql", name = "types", bootstrap);
pgrx::extension_sql_file!("../sql/tables.sql", name = "tables", requires = ["types"]);
pgrx::extension_sql_file!(
    "../sql/indexes.sql",
    name = "indexes",
    requires = ["tables"]
);
// The name of a C symbol ends with the version in which its meaning last changed. So a session that
// still runs an older library fails after ALTER EXTENSION deed UPDATE (42883), and does not answer or
// write by older rules.
//
// Functions that run SQL inside have sequential scans off: their plans are kept for the session, and one that
// was made while the tables were empty would stay when they are large, for growth alone tells nobody.
pgrx::extension_sql_file!(
    "../sql/functions/principals.sql",
    name = "principals",
    requires = ["indexes"]
);
pgrx::extension_sql_file!(
    "../sql/functions/checks.sql",
    name = "checks",
    requires = ["principals"]
);
pgrx::extension_sql_file!(
    "../sql/functions/lists.sql",
    name = "lists",
    requires = ["checks"]
);
pgrx::extension_sql_file!(
    "../sql/functions/freshness.sql",
    name = "freshness",
    requires = ["lists"]
);
pgrx::extension_sql_file!(
    "../sql/functions/applying.sql",
    name = "applying",
    requires = ["freshness"]
);
pgrx::extension_sql_file!(
    "../sql/functions/positions.sql",
    name = "positions",
    requires = ["applying"]
);
pgrx::extension_sql_file!(
    "../sql/functions/events_out.sql",
    name = "events_out",
    requires = ["positions"]
);
pgrx::extension_sql_file!(
    "../sql/views.sql",
    name = "views",
    requires = ["events_out"]
);
pgrx::extension_sql_file!(
    "../sql/surface.sql",
    name = "surface",
    requires = ["views"],
    finalize
);

#[cfg(any(test, feature = "pg_test"))]
mod tests;

/// What `cargo pgrx test` asks for.
#[cfg(test)]
pub mod pg_test {
    /// Runs before the first test.
    pub fn setup(_options: Vec<&str>) {}

    /// Settings of the test server.
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec![]
    }
}
