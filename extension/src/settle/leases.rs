//! Watches that nobody prolonged.

use uuid::Uuid;

use super::PAGE;
use crate::pg::ids::{core_uuid, sql_uuids};
use crate::pg::spi::{self, arg};

/// Leases that have ended.
#[derive(Default)]
pub struct Ended {
    documents: Vec<Uuid>,
    principals: Vec<Uuid>,
    watchers: Vec<String>,
}

/// A page of them.
pub fn find() -> Ended {
    let mut ended = Ended::default();
    spi::write(
        "SELECT l.document_id, l.principal_id, l.watcher FROM deed.lease AS l \
         WHERE l.until <= pg_catalog.statement_timestamp() ORDER BY l.until LIMIT $1",
        &[arg(PAGE as i64)],
        |row| {
            let (document, principal) = (core_uuid(row.get(1)?), core_uuid(row.get(2)?));
            ended.documents.push(document);
            ended.principals.push(principal);
            ended.watchers.push(row.get(3)?);
            Some(())
        },
    );
    ended
}

impl Ended {
    /// Whether there may be more.
    pub fn is_full(&self) -> bool {
        self.documents.len() == PAGE
    }

    /// Whose locks forgetting them needs.
    pub fn documents(&self) -> impl Iterator<Item = Uuid> {
        self.documents.iter().copied()
    }

    /// Behind the documents' locks: takes away those that were not prolonged meanwhile, and what nobody watches then.
    pub fn forget(self) {
        if self.documents.is_empty() {
            return;
        }
        let pairs = || {
            [
                arg(sql_uuids(&self.documents)),
                arg(sql_uuids(&self.principals)),
            ]
        };
        let [documents, principals] = pairs();
        spi::execute(
            "DELETE FROM deed.lease AS l \
             USING (SELECT * FROM ROWS FROM (unnest($1), unnest($2), unnest($3)) \
               AS n (document_id, principal_id, watcher) OFFSET 0) AS n \
             WHERE l.document_id = n.document_id AND l.principal_id = n.principal_id \
               AND l.watcher = n.watcher AND l.until <= pg_catalog.statement_timestamp()",
            &[documents, principals, arg(self.watchers.clone())],
        );
        spi::execute(
            "DELETE FROM deed.watched AS w \
             USING (SELECT * FROM ROWS FROM (unnest($1), unnest($2)) AS n (document_id, principal_id) \
               OFFSET 0) AS n \
             WHERE w.document_id = n.document_id AND w.principal_id = n.principal_id \
               AND NOT EXISTS (SELECT FROM deed.lease AS l \
                 WHERE l.document_id = w.document_id AND l.principal_id = w.principal_id)",
            &pairs(),
        );
    }
}
