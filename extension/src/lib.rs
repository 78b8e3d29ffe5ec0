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
pgrx::extension_sql_file!(
    "../sql/functions.sql",
    name = "functions",
    requires = ["indexes"]
);
pgrx::extension_sql_file!("../sql/views.sql", name = "views", requires = ["functions"]);
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
