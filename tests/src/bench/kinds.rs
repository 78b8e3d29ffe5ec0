//! Kinds of events, each with the statement that writes the same rows of all the same tables.
//!
//! The statements are typed upserts over arrays that somebody else has parsed, checked, reduced and
//! sorted, in one statement that also moves the position. Newer versions win here too.

use serde_json::json;

use super::world::{Document, GROUPS, Principal, World};
use crate::event::{Clock, Event};

/// The subject of one event.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// A number of its own in the run.
    pub n: u64,
    /// A plain document with five direct recipients.
    pub document: Document,
}

/// A kind of event.
pub struct Kind {
    /// Its type.
    pub name: &'static str,
    /// Whether a change of that kind is told to others.
    pub emits: bool,
    /// Makes one.
    pub event: fn(&World, &mut Clock, Subject) -> Event,
    /// What one event brings, beside the arrays; continues with the position.
    floor: &'static str,
}

impl Kind {
    /// The statement over arrays `$1` to `$6` and the next offset `$7`.
    pub fn floor(&self) -> String {
        // An event of the usual size; its id and data would be finished too.
        let emitted = match self.emits {
            true => {
                ", o AS (INSERT INTO deed.outbox (id, aggregatetype, aggregateid, type, payload)
                  SELECT id, 'document', id, 'deed.permission.updated', jsonb_build_object(
                    'recipient', other, 'recipient_type', NULL, 'old_level', NULL, 'new_level', word,
                    'expires_at', NULL, 'cause', jsonb_build_object('source', '/bench', 'id', by)) FROM n)"
            }
            false => "",
        };
        format!(
            "WITH n AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::text[],
               $5::uuid[], $6::timestamptz[]) AS n (id, other, version, word, by, at)),
             {}{emitted}
             UPDATE deed.stream_position SET next_offset = $7
             WHERE consumer_group = 'bench floor' AND topic = 'bench' AND partition = 0",
            self.floor
        )
    }
}

fn by(world: &World) -> uuid::Uuid {
    world.principal(Principal::All)
}

/// Somebody who holds nothing yet.
fn guest(world: &World, subject: Subject) -> uuid::Uuid {
    world.principal(Principal::Stranger(1 << 32 | subject.n))
}

/// Each leaves what the next ones need.
pub const KINDS: [Kind; 9] = [
    Kind {
        name: "document.created",
        emits: true,
        event: |world, clock, subject| {
            let id = world.document(Document::Unknown(1 << 32 | subject.n));
            clock.created(id, by(world), "New")
        },
        floor: "d AS (INSERT INTO deed.document AS t (id, creation_version, created_at, created_by,
              title_version, title, last_modified, last_modified_by)
            SELECT id, version, at, by, version, word, at, by FROM n
            ON CONFLICT (id) DO UPDATE SET creation_version = excluded.creation_version,
              created_at = excluded.created_at, created_by = excluded.created_by,
              title_version = excluded.title_version, title = excluded.title,
              last_modified = excluded.last_modified, last_modified_by = excluded.last_modified_by
            WHERE t.creation_version IS NULL OR t.creation_version < excluded.creation_version),
          p AS (INSERT INTO deed.permission AS t
              (document_id, recipient_id, version, level, granted_by, granted_at, expired)
            SELECT id, by, version, 'owner', by, at, false FROM n
            ON CONFLICT (document_id, recipient_id) DO UPDATE SET version = excluded.version,
              level = excluded.level, granted_by = excluded.granted_by,
              granted_at = excluded.granted_at, expires_at = NULL
            WHERE t.version < excluded.version),
          l AS (INSERT INTO deed.listing (recipient_id, level, last_modified, document_id)
            SELECT by, 'owner', at, id FROM n)",
    },
    Kind {
        name: "permission.granted",
        emits: true,
        event: |world, clock, subject| {
            let id = world.document(subject.document);
            clock.granted(id, guest(world, subject), "editor", by(world))
        },
        floor: "p AS (INSERT INTO deed.permission AS t
              (document_id, recipient_id, version, level, granted_by, granted_at, expired)
            SELECT id, other, version, word::deed.permission_level, by, at, false FROM n
            ON CONFLICT (document_id, recipient_id) DO UPDATE SET version = excluded.version,
              level = excluded.level, granted_by = excluded.granted_by,
              granted_at = excluded.granted_at, expires_at = NULL
            WHERE t.version < excluded.version RETURNING *),
          l AS (INSERT INTO deed.listing (recipient_id, level, last_modified, document_id)
            SELECT p.recipient_id, p.level, d.last_modified, p.document_id
            FROM p JOIN deed.document AS d ON d.id = p.document_id
            WHERE d.created_at IS NOT NULL AND d.deleted_at IS NULL)",
    },
    Kind {
        name: "permission.revoked",
        emits: true,
        event: |world, clock, subject| {
            let id = world.document(subject.document);
            clock.revoked(id, guest(world, subject), by(world))
        },
        floor: "old AS MATERIALIZED (SELECT p.recipient_id, p.level, d.last_modified, p.document_id
            FROM n JOIN deed.permission AS p ON p.document_id = n.id AND p.recipient_id = n.other
            JOIN deed.document AS d ON d.id = n.id WHERE p.version < n.version),
          p AS (INSERT INTO deed.permission AS t
              (document_id, recipient_id, version, level, granted_by, granted_at, expired)
            SELECT id, other, version, NULL, by, at, false FROM n
            ON CONFLICT (document_id, recipient_id) DO UPDATE SET version = excluded.version,
              level = NULL, granted_by = excluded.granted_by,
              granted_at = excluded.granted_at, expires_at = NULL
            WHERE t.version < excluded.version),
          l AS (DELETE FROM deed.listing AS l USING old
            WHERE l.recipient_id = old.recipient_id AND l.level = old.level
              AND l.last_modified = old.last_modified AND l.document_id = old.document_id)",
    },
    Kind {
        name: "document.deleted",
        emits: true,
        event: |world, clock, subject| clock.deleted(world.document(subject.document), by(world)),
        floor: "old AS MATERIALIZED (SELECT p.recipient_id, p.level, d.last_modified, p.document_id
            FROM n JOIN deed.permission AS p ON p.document_id = n.id
            JOIN deed.document AS d ON d.id = n.id WHERE p.level IS NOT NULL),
          d AS (INSERT INTO deed.document AS t (id, deleted_version, deleted_at, deleted_by)
            SELECT id, version, at, by FROM n
            ON CONFLICT (id) DO UPDATE SET deleted_version = excluded.deleted_version,
              deleted_at = excluded.deleted_at, deleted_by = excluded.deleted_by
            WHERE t.deleted_version IS NULL OR t.deleted_version < excluded.deleted_version),
          l AS (DELETE FROM deed.listing AS l USING old
            WHERE l.recipient_id = old.recipient_id AND l.level = old.level
              AND l.last_modified = old.last_modified AND l.document_id = old.document_id)",
    },
    Kind {
        name: "document.restored",
        emits: true,
        event: |world, clock, subject| clock.restored(world.document(subject.document), by(world)),
        floor: "d AS (INSERT INTO deed.document AS t (id, deleted_version)
            SELECT id, version FROM n
            ON CONFLICT (id) DO UPDATE SET deleted_version = excluded.deleted_version,
              deleted_at = NULL, deleted_by = NULL
            WHERE t.deleted_version IS NULL OR t.deleted_version < excluded.deleted_version
            RETURNING id, created_at, last_modified),
          l AS (INSERT INTO deed.listing
              (recipient_id, level, last_modified, document_id, expires_at)
            SELECT p.recipient_id, p.level, d.last_modified, p.document_id, p.expires_at
            FROM d JOIN deed.permission AS p ON p.document_id = d.id
            WHERE p.level IS NOT NULL AND d.created_at IS NOT NULL)",
    },
    Kind {
        name: "group.member_added",
        emits: true,
        event: |world, clock, subject| {
            let group = world.principal(Principal::Group(subject.n % GROUPS));
            let user = Principal::User(subject.n * 13 % world.size.users);
            clock.member_added(group, world.principal(user))
        },
        floor: "m AS (INSERT INTO deed.membership AS t
              (group_id, member_id, version, removed, changed_by, changed_at)
            SELECT id, other, version, false, by, at FROM n
            ON CONFLICT (group_id, member_id) DO UPDATE SET version = excluded.version,
              removed = false, changed_by = excluded.changed_by, changed_at = excluded.changed_at
            WHERE t.version < excluded.version)",
    },
    Kind {
        name: "document.updated",
        emits: false,
        event: |world, clock, subject| {
            let id = world.document(subject.document);
            clock.updated(id, by(world), json!({ "title": "Updated" }))
        },
        floor: "old AS MATERIALIZED (SELECT p.recipient_id, p.level, d.last_modified, p.document_id, n.at
            FROM n JOIN deed.permission AS p ON p.document_id = n.id
            JOIN deed.document AS d ON d.id = n.id
            WHERE p.level IS NOT NULL AND d.created_at IS NOT NULL AND d.deleted_at IS NULL),
          d AS (INSERT INTO deed.document AS t
              (id, title_version, title, last_modified, last_modified_by)
            SELECT id, version, word, at, by FROM n
            ON CONFLICT (id) DO UPDATE SET title_version = excluded.title_version,
              title = excluded.title, last_modified = excluded.last_modified,
              last_modified_by = excluded.last_modified_by
            WHERE t.title_version IS NULL OR t.title_version < excluded.title_version),
          l AS (UPDATE deed.listing AS l SET last_modified = old.at FROM old
            WHERE l.recipient_id = old.recipient_id AND l.level = old.level
              AND l.last_modified = old.last_modified AND l.document_id = old.document_id)",
    },
    Kind {
        name: "principal.registered",
        emits: false,
        event: |world, clock, subject| clock.registered(guest(world, subject), "user", "Somebody"),
        floor: "p AS (INSERT INTO deed.principal AS t (id, kind_version, kind, name_version, name, node)
            SELECT id, version, 'user', version, word, false FROM n
            ON CONFLICT (id) DO UPDATE SET kind_version = excluded.kind_version,
              kind = excluded.kind, name_version = excluded.name_version, name = excluded.name
            WHERE t.kind_version IS NULL OR t.kind_version < excluded.kind_version)",
    },
    Kind {
        name: "principal.updated",
        emits: false,
        event: |world, clock, subject| {
            let user = Principal::User(subject.n % world.size.users);
            clock.principal_updated(world.principal(user), json!({ "name": "Renamed" }))
        },
        floor: "p AS (INSERT INTO deed.principal AS t (id, name_version, name, node)
            SELECT id, version, word, false FROM n
            ON CONFLICT (id) DO UPDATE SET name_version = excluded.name_version,
              name = excluded.name
            WHERE t.name_version IS NULL OR t.name_version < excluded.name_version)",
    },
];
