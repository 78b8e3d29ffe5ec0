//! Who can see a document.
//!
//! The recipients of its permissions lie side by side in one index, the members of a group in
//! another. Both are merged as far as the page goes. What a page costs grows with the granted groups
//! and links, and with the shorter of the document's recipients and all groups and links, among which
//! these are looked for; not with how many people it is shared with.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use deed_core::{EVERYONE, Level, RecipientKind, USERS, cursor};
use pgrx::pg_sys;
use uuid::Uuid;

use super::merge::{Feed, Merge};
use super::{open, page_size};
use crate::closure::followers;
use crate::failure::Failure;
use crate::pg::btree::key::Key;
use crate::pg::btree::range::{Range, common};
use crate::pg::btree::{Entry, Indexes, ask};
use crate::pg::catalog::{self, Catalog, Index};
use crate::pg::enums::oid_of;
use crate::pg::ids::{core_uuid, sql_uuids};
use crate::pg::session;
use crate::pg::spi::{self, arg};

/// One row of `deed.list_principals`.
pub struct Row {
    /// The principal; everyone and users as themselves.
    pub id: Uuid,
    /// Label of what it is, if it is registered or built in.
    pub kind: Option<pg_sys::Oid>,
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Label of the level that it holds.
    pub level: pg_sys::Oid,
    /// Continues behind this row.
    pub cursor: String,
}

/// The first page when `after` is none, else the one behind that cursor.
pub fn page(
    document: Uuid,
    level: Level,
    after: Option<&str>,
    rows: i32,
) -> Result<Vec<Row>, Failure> {
    let limit = page_size(rows)?;
    let binding: &[&[u8]] = &[
        b"list_principals",
        document.as_bytes(),
        level.word().as_bytes(),
    ];
    let after = open(binding, after)?.map(Uuid::from_bytes);
    let mut found = Vec::with_capacity(limit);
    ask(|indexes| {
        if indexes.row(Index::DocumentNotLive, document)?.is_some() {
            return Ok(());
        }
        let grants = Grants::of(indexes, document)?;
        let mut merge = grants.reached(indexes, after)?;
        // Some are left out only when it is known what they are.
        while found.len() < limit {
            let mut candidates = Vec::new();
            while candidates.len() < (limit - found.len()).max(LEAST_JUDGED)
                && let Some((at, held)) = merge.next()?
            {
                if grants.may_hold(at.id_at(0), held, level) {
                    candidates.push((at.id_at(0), held));
                }
            }
            if candidates.is_empty() {
                break;
            }
            found.extend(grants.judge(indexes, &candidates, level)?);
        }
        found.truncate(limit);
        Ok(())
    })?;
    for row in &mut found {
        row.cursor = cursor::seal(binding, row.id.as_bytes());
    }
    Ok(found)
}

/// So many are looked up at once: a statement for each would cost more than all of these.
const LEAST_JUDGED: usize = 50;

/// What the permissions on a document say of others than the recipients themselves.
struct Grants {
    document: Uuid,
    everyone: Option<Level>,
    users: Option<Level>,
    /// All whose members hold a level, groups within granted groups too.
    groups: BTreeMap<Uuid, Level>,
    catalog: Rc<Catalog>,
}

impl Grants {
    fn of(indexes: &Indexes, document: Uuid) -> Result<Self, Failure> {
        let catalog = catalog::current()?;
        let now = session::statement_start();
        let mut grants = indexes.range(Index::Permission, Key::EMPTY.id(document))?;
        grants.load()?;
        let level = |grants: &Range<'_>, recipient| -> Result<Option<Level>, Failure> {
            let lives = |entry: &Entry| {
                entry.carried.instant > now && catalog.level(entry.carried.label).is_some()
            };
            let grant = grants.seen(recipient, lives)?;
            Ok(grant.and_then(|entry| catalog.level(entry.carried.label)))
        };
        let mut nodes = indexes.range(Index::PrincipalNode, Key::EMPTY)?;
        let mut granted: BTreeMap<Uuid, Level> = BTreeMap::new();
        for node in common(&mut nodes, &mut grants)? {
            if let Some(level) = level(&grants, node)? {
                granted.insert(node, level);
            }
        }
        let ids: Vec<Uuid> = granted.keys().copied().collect();
        for removed in indexes.rows(Index::PrincipalRemoved, &ids)? {
            granted.remove(&removed);
        }
        let ids: Vec<Uuid> = granted.keys().copied().collect();
        let mut groups = granted.clone();
        for (group, below) in followers(indexes, Index::ClosureByGroup, &ids)? {
            let level = granted[&group];
            let held = groups.entry(below).or_insert(level);
            *held = (*held).max(level);
        }
        Ok(Self {
            document,
            everyone: level(&grants, EVERYONE)?,
            users: level(&grants, USERS)?,
            groups,
            catalog,
        })
    }

    /// Everybody whom a permission reaches by name, link or group, behind `after`, by id.
    fn reached<'i>(&self, indexes: &'i Indexes, after: Option<Uuid>) -> Result<Merge<'i>, Failure> {
        let start = |prefix: Key| match after {
            Some(id) => prefix.id(id).behind(),
            None => prefix,
        };
        let named = Key::EMPTY.id(self.document);
        let mut feeds = vec![Feed {
            reader: indexes.get(Index::Permission)?,
            prefix: named,
            level: None,
            from: start(named),
        }];
        for (group, level) in &self.groups {
            let members = Key::EMPTY.id(*group);
            feeds.push(Feed {
                reader: indexes.get(Index::Membership)?,
                prefix: members,
                level: Some(*level),
                from: start(members),
            });
        }
        let groups: Vec<Uuid> = self.groups.keys().copied().collect();
        let users = followers(indexes, Index::PrincipalPromoted, &groups)?
            .into_iter()
            .filter(|(_, user)| Some(*user) > after)
            .map(|(link, user)| (Key::EMPTY.id(user), self.groups[&link]));
        Merge::new(feeds, users.collect())
    }

    /// Whether somebody to whom `held` is granted by name, link or group may hold `wanted`, before it is known
    /// what it is.
    fn may_hold(&self, id: Uuid, held: Level, wanted: Level) -> bool {
        let by_others = match id {
            EVERYONE => None,
            _ => self.everyone.max(self.users),
        };
        Some(held).max(by_others) >= Some(wanted)
    }

    /// The candidates that are listed, with what is known of them.
    fn judge(
        &self,
        indexes: &Indexes,
        candidates: &[(Uuid, Level)],
        at_least: Level,
    ) -> Result<Vec<Row>, Failure> {
        let ids: Vec<Uuid> = candidates.iter().map(|(id, _)| *id).collect();
        let known = spi::read_planned(
            "SELECT p.id, p.kind, p.name, p.description, p.removed_at IS NOT NULL \
             FROM unnest($1) AS n (id) JOIN deed.principal AS p ON p.id = n.id",
            &[arg(sql_uuids(&ids))],
            |row| {
                let of = (row.get(2), row.get(3), row.get(4), row.get(5)?);
                Some((core_uuid(row.get(1)?), of))
            },
        );
        let mut known: HashMap<Uuid, Known> = known.into_iter().flatten().collect();
        let group = oid_of(RecipientKind::Group);
        let mut rows = Vec::new();
        for (id, level) in candidates {
            let (mut kind, name, description, removed) = known.remove(id).unwrap_or_default();
            let is_built_in = [EVERYONE, USERS].contains(id);
            let is_group = match kind {
                Some(kind) => kind == group,
                None => !is_built_in && has_members(indexes, *id)?,
            };
            let mut level = Some(*level).max(self.everyone);
            if *id == USERS || kind == Some(self.catalog.user) {
                level = level.max(self.users);
            }
            if removed || is_group || level < Some(at_least) {
                continue;
            }
            if is_built_in {
                kind = Some(group);
            }
            rows.extend(level.map(|level| Row {
                id: *id,
                kind,
                name,
                description,
                level: self.catalog.level_oid(level),
                cursor: String::new(),
            }));
        }
        Ok(rows)
    }
}

/// Kind, name, description, and whether it is removed.
type Known = (Option<pg_sys::Oid>, Option<String>, Option<String>, bool);

/// Whether anybody is a member of it, removed or not.
fn has_members(indexes: &Indexes, id: Uuid) -> Result<bool, Failure> {
    let mut members = indexes.range(Index::Membership, Key::EMPTY.id(id))?;
    while !members.is_complete() {
        members.load()?;
        if members.has_seen(|entry| !entry.carried.flag) {
            return Ok(true);
        }
    }
    Ok(false)
}
