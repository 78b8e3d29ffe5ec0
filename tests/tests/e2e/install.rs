//! Where the extension does not install.

use deed_tests::stage::shared_postgres;
use postgres::error::SqlState;

/// Events are UTF-8; another encoding would store their text as other text, or fail on it.
#[test]
fn a_database_of_another_encoding_is_refused() {
    let postgres = shared_postgres();
    postgres
        .admin("postgres")
        .expect("connection")
        .batch_execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
        .expect("database");
    let mut client = postgres.admin("ascii").expect("connection");
    let error = client
        .batch_execute("CREATE EXTENSION deed")
        .expect_err("refused");
    assert_eq!(error.code(), Some(&SqlState::FEATURE_NOT_SUPPORTED));
    let message = error.as_db_error().expect("an answer").message();
    assert!(message.contains("UTF8"), "{message}");
}
