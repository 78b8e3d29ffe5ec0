//! Whether the database has an extension that this consumer can call.

use tokio_postgres::{Client, Error};

/// This program's own version.
const OWN: &str = env!("CARGO_PKG_VERSION");
const VERSION: &str = "SELECT (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'deed'), \
    pg_catalog.current_database()::text";

/// Asks; an answer that does not fit says what to do.
pub async fn check(client: &Client) -> Result<Result<(), String>, Error> {
    let row = client.query_one(VERSION, &[]).await?;
    let (version, database): (Option<String>, String) = (row.get(0), row.get(1));
    Ok(fits(version.as_deref(), &database))
}

/// A consumer works with the extension of its own version and of what follows, up to the next minor one.
fn fits(version: Option<&str>, database: &str) -> Result<(), String> {
    let Some(version) = version else {
        return Err(format!(
            "database {database} has no extension deed: run CREATE EXTENSION deed there, and the scripts in sql/"
        ));
    };
    match parts(version) {
        Some(of_database) if Some(of_database) < parts(OWN) => Err(format!(
            "database {database} has version {version} of the extension, and this consumer is {OWN}: \
             run ALTER EXTENSION deed UPDATE there, and the scripts in sql/, before a newer consumer"
        )),
        // What is newer keeps what this one calls for one version; behind that a call fails by name.
        _ => Ok(()),
    }
}

fn parts(version: &str) -> Option<[u32; 3]> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_that_is_older_or_not_there_is_named_with_the_next_step() {
        let missing = fits(None, "app").expect_err("missing");
        assert!(missing.contains("app") && missing.contains("CREATE EXTENSION deed"));
        for version in ["0.5.0", "0.6.0"] {
            let older = fits(Some(version), "app").expect_err("older");
            assert!(older.contains(version) && older.contains("ALTER EXTENSION deed UPDATE"));
        }
        assert!(fits(Some("0.10.0"), "app").is_ok(), "versions are numbers");
        assert!(fits(Some(OWN), "app").is_ok());
        assert!(fits(Some("1.0.0"), "app").is_ok());
    }
}
