//! Watches that nobody prolonged.

use uuid::Uuid;

use super::PAGE;
use crate::pg::ids::{core_uuid, sql_uuids};
use crate::pg::spi::{self, arg};

/// Takes away a page of leases that have ended, and what nobody watches then; whether there is more. A lease that somebody is
/// prolonging is locked and left, and so is what stands under a document that somebody has locked.
pub fn end() -> bool {
    let mut watchers = Vec::new();
    let ended = spi::write(
        "SELECT l.document_id, l.principal_id, l.watcher FROM deed.lease AS l \
         JOIN deed.document AS d ON d.id = l.document_id \
         WHERE l.until <= pg_catalog.statement_timestamp() \
         ORDER BY l.until LIMIT $1 FOR UPDATE OF d, l SKIP LOCKED",
        &[arg(PAGE as i64)],
        |row| {
            watchers.push(row.get::<String>(3)?);
            Some((core_uuid(row.get(1)?), core_uuid(row.get(2)?)))
        },
    );
    let (documents, principals): (Vec<Uuid>, Vec<Uuid>) = ended.into_iter().flatten().unzip();
    if documents.is_empty() {
        return false;
    }
    let pairs = || [arg(sql_uuids(&documents)), arg(sql_uuids(&principals))];
    let [of_documents, of_principals] = pairs();
    spi::execute(
        "DELETE FROM deed.lease AS l \
         USING (SELECT * FROM ROWS FROM (unnest($1), unnest($2), unnest($3)) \
           AS n (document_id, principal_id, watcher) OFFSET 0) AS n \
         WHERE l.document_id = n.document_id AND l.principal_id = n.principal_id \
           AND l.watcher = n.watcher",
        &[of_documents, of_principals, arg(watchers)],
    );
    spi::execute(
        "DELETE FROM deed.watched AS w \
         USING (SELECT * FROM ROWS FROM (unnest($1), unnest($2)) AS n (document_id, principal_id) \
           OFFSET 0) AS n \
         WHERE w.document_id = n.document_id AND w.principal_id = n.principal_id \
           AND (SELECT true FROM deed.lease AS l WHERE l.document_id = w.document_id \
             AND l.principal_id = w.principal_id LIMIT 1) IS NULL",
        &pairs(),
    );
    documents.len() == PAGE
}
