//! The documents that a principal can see.
//!
//! Each member of the principal's closure has a range of an index at each level, in the order of the
//! list. They are merged as far as the page goes, so what a page costs depends neither on how many
//! documents there are nor on how many pages came before.

use std::collections::HashMap;
use std::rc::Rc;

use deed_core::{Level, cursor};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use uuid::Uuid;

use super::merge::{Feed, Merge};
use super::{open, pack, page_size, unpack};
use crate::closure;
use crate::failure::{Failure, SqlState};
use crate::pg::btree::key::Key;
use crate::pg::btree::{Indexes, Reader, ask};
use crate::pg::catalog::{self, Catalog, Index};
use crate::pg::enums::DocumentSort;
use crate::pg::ids::{core_uuid, sql_uuids};
use crate::pg::session;
use crate::pg::spi::{self, arg};

/// One row of `deed.list_documents`.
pub struct Row {
    /// The document.
    pub id: Uuid,
    /// Label of the level that the principal holds.
    pub level: pg_sys::Oid,
    /// Its title.
    pub title: Option<String>,
    /// When it was created.
    pub created_at: TimestampWithTimeZone,
    /// Its creator.
    pub created_by: pgrx::Uuid,
    /// When it was last modified.
    pub last_modified: TimestampWithTimeZone,
    /// By whom it was last modified.
    pub last_modified_by: pgrx::Uuid,
    /// Continues behind this row.
    pub cursor: String,
}

/// The first page when `after` is none, else the one behind that cursor.
pub fn page(
    principal: Uuid,
    level: Level,
    sort: DocumentSort,
    after: Option<&str>,
    rows: i32,
) -> Result<Vec<Row>, Failure> {
    let limit = page_size(rows)?;
    let binding: &[&[u8]] = &[
        b"list_documents",
        principal.as_bytes(),
        level.word().as_bytes(),
        sort.word().as_bytes(),
    ];
    let after = open(binding, after)?.map(unpack);
    let question = Question {
        levels: Level::ALL.into_iter().filter(|of| *of >= level).collect(),
        sort,
        after: after.map(|(at, id)| (at.map_or(i64::MAX, i64::from), id)),
        now: session::statement_start(),
        catalog: catalog::current()?,
    };
    let found = ask(|indexes| question.answer(indexes, principal, limit))?;
    let ids: Vec<Uuid> = found.iter().map(|(id, _)| *id).collect();
    let mut rows = rows_of(&ids);
    let row = |(id, level)| {
        // A page that left it out would be taken for the last one.
        let mut row = rows.remove(&id).ok_or_else(|| without_row(id))?;
        row.level = question.catalog.level_oid(level);
        row.cursor = cursor::seal(binding, &pack(row.last_modified, id));
        Ok(row)
    };
    found.into_iter().map(row).collect()
}

fn without_row(document: Uuid) -> Failure {
    Failure::new(
        SqlState::DocumentMissing,
        format!("document {document} has permissions, but no row in deed.document"),
    )
    .hint("Restore deed.document together with deed.permission and deed.listing.")
}

struct Question {
    levels: Vec<Level>,
    sort: DocumentSort,
    /// The last row of the page before.
    after: Option<(i64, Uuid)>,
    now: i64,
    catalog: Rc<Catalog>,
}

impl Question {
    fn answer(
        &self,
        indexes: &Indexes,
        principal: Uuid,
        limit: usize,
    ) -> Result<Vec<(Uuid, Level)>, Failure> {
        let members = closure::of(indexes, principal)?;
        let index = match self.sort {
            DocumentSort::LastModified => Index::NewestFirst,
            DocumentSort::Id => Index::PermissionByRecipient,
        };
        let reader = indexes.get(index)?;
        let feed = |(prefix, level)| Feed {
            reader,
            prefix,
            level: Some(level),
            from: self.start(prefix),
        };
        let feeds = self.prefixes(&members).map(feed).collect();
        let wide = match self.sort {
            DocumentSort::LastModified => self.wide(reader, &members)?,
            DocumentSort::Id => Vec::new(),
        };
        let mut merge = Merge::new(feeds, wide)?;
        let mut found = Vec::with_capacity(limit);
        while found.len() < limit {
            let mut next = Vec::with_capacity(limit - found.len());
            while next.len() < limit - found.len()
                && let Some((at, level)) = merge.next()?
            {
                let id = match self.sort {
                    DocumentSort::LastModified => at.id_descending_at(8),
                    DocumentSort::Id => at.id_at(0),
                };
                next.push((id, level));
            }
            if next.is_empty() {
                break;
            }
            // Rows in the order of last_modified leave with their document.
            if self.sort == DocumentSort::Id {
                let ids: Vec<Uuid> = next.iter().map(|(id, _)| *id).collect();
                let not_live = indexes.rows(Index::DocumentNotLive, &ids)?;
                next.retain(|(id, _)| not_live.binary_search(id).is_err());
            }
            found.extend(next);
        }
        Ok(found)
    }

    /// What the ranges of these recipients begin with.
    fn prefixes(&self, members: &[Uuid]) -> impl Iterator<Item = (Key, Level)> {
        members.iter().flat_map(move |member| {
            self.levels.iter().map(move |level| {
                let label = self.catalog.level_oid(*level);
                (Key::EMPTY.id(*member).label(label), *level)
            })
        })
    }

    /// Where in its range a page begins. Wide documents, at infinity, come by another way.
    fn start(&self, prefix: Key) -> Key {
        match (self.sort, self.after) {
            (DocumentSort::LastModified, None) => prefix.instant_descending(INFINITY - 1),
            (DocumentSort::LastModified, Some((at, id))) => {
                prefix.instant_descending(at).id_descending(id).behind()
            }
            (DocumentSort::Id, None) => prefix,
            (DocumentSort::Id, Some((_, id))) => prefix.id(id).behind(),
        }
    }

    /// The wide documents behind the page before, and where they stand in the list. Their rows hold no
    /// time, so all of them are looked up.
    fn wide(&self, reader: &Reader, members: &[Uuid]) -> Result<Vec<(Key, Level)>, Failure> {
        let prefixes: Vec<(Key, Level)> = self.prefixes(members).collect();
        let at_infinity = |(prefix, _): &(Key, Level)| prefix.instant_descending(INFINITY);
        let mut entries = Vec::new();
        reader.meet(&prefixes, at_infinity, usize::MAX, &mut entries)?;
        let mut levels: HashMap<Uuid, Option<Level>> = HashMap::new();
        for entry in &entries {
            if entry.carried.instant > self.now && reader.sees(entry) {
                let held = levels.entry(entry.key.id_descending_at(28)).or_default();
                *held = (*held).max(self.catalog.level(entry.key.label_at(16)));
            }
        }
        if levels.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<Uuid> = levels.keys().copied().collect();
        let rows = spi::read_planned(
            "SELECT d.id, d.last_modified \
             FROM unnest($1) AS n (id) JOIN deed.document AS d ON d.id = n.id \
             WHERE d.created_at IS NOT NULL AND d.deleted_at IS NULL",
            &[arg(sql_uuids(&ids))],
            |row| Some((row.get::<TimestampWithTimeZone>(2)?, core_uuid(row.get(1)?))),
        );
        let rows = rows.into_iter().flatten();
        let rows = rows.map(|(at, id)| (i64::from(at), id));
        Ok(rows
            .filter(|row| self.after.is_none_or(|after| *row < after))
            .filter_map(|(at, id)| {
                let at = Key::EMPTY.instant_descending(at).id_descending(id);
                Some((at, levels[&id]?))
            })
            .collect())
    }
}

/// Postgres' `infinity`.
const INFINITY: i64 = i64::MAX;

/// What a page says of its documents; level and cursor are filled in by the caller.
fn rows_of(ids: &[Uuid]) -> HashMap<Uuid, Row> {
    let rows = spi::read_planned(
        "SELECT d.id, d.title, d.created_at, d.created_by, d.last_modified, d.last_modified_by \
         FROM unnest($1) AS n (id) JOIN deed.document AS d ON d.id = n.id",
        &[arg(sql_uuids(ids))],
        |row| {
            let id = core_uuid(row.get(1)?);
            let row = Row {
                id,
                level: pg_sys::InvalidOid,
                title: row.get(2),
                created_at: row.get(3)?,
                created_by: row.get(4)?,
                last_modified: row.get(5)?,
                last_modified_by: row.get(6)?,
                cursor: String::new(),
            };
            Some((id, row))
        },
    );
    rows.into_iter().flatten().collect()
}
