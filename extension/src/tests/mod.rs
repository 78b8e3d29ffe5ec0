//! Tests inside a real server; `cargo pgrx test pgNN` runs them, each in a transaction of its own.
//!
//! pgrx looks for test functions in schema `tests`, hence the inner modules of that name.

mod apply;
mod batch;
mod check;
mod current_principal;
mod dead_letters;
mod explain;
mod freshness;
mod groups;
mod lifecycle;
mod list;
mod outbound;
mod paths;
mod size;
mod surface;
mod watches;

use pgrx::Spi;

/// A document.
const DOCUMENT: &str = "d0000000-0000-4000-8000-000000000001";
/// The creator of documents.
const OWNER: &str = "a0000000-0000-4000-8000-000000000001";
/// Somebody else.
const ANNE: &str = "a0000000-0000-4000-8000-000000000002";

/// A structured CloudEvent, `second` seconds into 2026.
fn event(id: &str, kind: &str, subject: &str, second: u32, data: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/test","type":"{kind}",
            "subject":"{subject}","time":"2026-01-01T00:00:{second:02}Z","data":{data}}}"#
    )
}

fn created(second: u32) -> String {
    let data = format!(r#"{{"created_by":"{OWNER}","title":"Plan"}}"#);
    event("created", "document.created", DOCUMENT, second, &data)
}

fn deleted(second: u32) -> String {
    let data = format!(r#"{{"by":"{OWNER}"}}"#);
    event("deleted", "document.deleted", DOCUMENT, second, &data)
}

fn granted(recipient: &str, level: &str, second: u32) -> String {
    let data = format!(r#"{{"recipient":"{recipient}","level":"{level}","granted_by":"{OWNER}"}}"#);
    event(level, "permission.granted", DOCUMENT, second, &data)
}

fn revoked(recipient: &str, second: u32) -> String {
    let data = format!(r#"{{"recipient":"{recipient}","revoked_by":"{OWNER}"}}"#);
    event("revoked", "permission.revoked", DOCUMENT, second, &data)
}

/// Tests run side by side in one database. Those that change its objects run [`alone`], or they
/// would deadlock with the others' table locks.
fn among_others() {
    Spi::run("SELECT pg_advisory_xact_lock_shared(1)").unwrap();
}

/// Waits for every other test that asked anything, and keeps them waiting.
fn alone() {
    Spi::run("SELECT pg_advisory_xact_lock(1)").unwrap();
}

/// Tests apply several times in one transaction, about the same principals in any order: those who do so
/// wait for each other, or they would deadlock.
fn one_at_a_time() {
    among_others();
    Spi::run("SELECT pg_advisory_xact_lock(2)").unwrap();
}

/// Applies an event and gives the outcome's word.
fn apply(event: &str) -> String {
    one_at_a_time();
    let sql = "SELECT deed.apply($1::jsonb)::text";
    Spi::get_one_with_args(sql, &[event.to_owned().into()])
        .unwrap()
        .unwrap()
}

/// The one value of a query, as text; null as `-`.
fn answer(sql: &str) -> String {
    among_others();
    let sql = format!("SELECT coalesce(({sql})::text, '-')");
    Spi::get_one(&sql).unwrap().unwrap()
}

/// The level of a principal on [`DOCUMENT`].
fn level(principal: &str) -> String {
    answer(&format!(
        "deed.effective_level('{principal}', '{DOCUMENT}')"
    ))
}

/// The SQLSTATE and message that a statement fails with, or `00000`.
fn failure(sql: &str) -> String {
    among_others();
    Spi::run(&format!(
        "DO $do$ BEGIN
           EXECUTE $sql${sql}$sql$;
           PERFORM set_config('test.failure', '00000', true);
         EXCEPTION WHEN OTHERS THEN
           PERFORM set_config('test.failure', SQLSTATE || ' ' || SQLERRM, true);
         END $do$"
    ))
    .unwrap();
    answer("current_setting('test.failure')")
}
