//! Why a principal holds what it holds on a document, and why not more.
//!
//! - [`web`]: what is stored between the two, read from the grants towards the principal
//! - [`paths`]: the ways through it, of which there may be more than anybody could wait for

pub mod paths;
mod web;

use deed_core::{Level, USERS};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use uuid::Uuid;

use paths::Edge;
use web::{Grant, Web};

/// The most rows that an explanation has.
const MOST: usize = 1_000;

/// One row of `deed.explain_permission`: a path from the principal to a grant.
pub struct Row {
    /// The level granted; none where it was revoked.
    pub level: Option<Level>,
    /// Whether the path gives the principal that level.
    pub counts: bool,
    /// Why, or why not.
    pub reason: &'static str,
    /// To whom it was granted.
    pub recipient: Uuid,
    /// Label of what the recipient is; built-in recipients are groups, unregistered ones unknown.
    pub kind: Option<pg_sys::Oid>,
    /// The groups and links between, from the principal's side.
    pub via: Vec<Uuid>,
    /// The first link on the path, the recipient included, that is held by promotion.
    pub promoted_from: Option<Uuid>,
    /// Who granted or revoked it.
    pub granted_by: Option<pgrx::Uuid>,
    /// When.
    pub granted_at: TimestampWithTimeZone,
    /// Until when it counts; none is for ever.
    pub expires_at: Option<TimestampWithTimeZone>,
}

/// Why a path counts.
const GRANTED: &str = "granted";

/// The paths that count, then those that don't; of either the greatest level first, then the
/// shortest. So the first row says the effective level, if it counts.
pub fn rows(principal: Uuid, document: Uuid) -> Vec<Row> {
    let levels = [
        Some(Level::Owner),
        Some(Level::Editor),
        Some(Level::Viewer),
        None,
    ];
    let web = Web::between(principal, document);
    let live = web.live();
    let mut rows = Vec::new();
    for level in levels {
        let recipients = web.recipients(|node| node.grants(level) && web.counts(node));
        let room = MOST - rows.len();
        let paths = paths::shortest(&live, web.asker, &recipients, room);
        rows.extend(paths.iter().filter_map(|path| row(&web, path)));
    }
    for level in levels {
        let recipients = web.recipients(|node| node.grants(level));
        let room = MOST - rows.len();
        // Among as many there are enough, for those that count are among the rows.
        let paths = match room {
            0 => Vec::new(),
            _ => paths::shortest(&web.graph, web.asker, &recipients, MOST),
        };
        let others = paths.iter().filter_map(|path| row(&web, path));
        rows.extend(others.filter(|row| !row.counts).take(room));
    }
    rows
}

fn row(web: &Web, path: &[Edge]) -> Option<Row> {
    let recipient = web.end(path);
    let grant = recipient.grant.as_ref()?;
    let reason = reason(web, path, grant);
    let promotion = path.iter().find(|edge| edge.promotion);
    Some(Row {
        level: grant.level,
        counts: reason == GRANTED,
        reason,
        recipient: recipient.id,
        kind: recipient.kind,
        via: web.via(path).map(|node| node.id).collect(),
        promoted_from: promotion.map(|edge| web.nodes[edge.to].id),
        granted_by: grant.by,
        granted_at: grant.at,
        expires_at: grant.expires_at,
    })
}

/// Of several reasons the one that is hardest to mend: a later event can restore what is removed or
/// deleted, while the grant or membership itself would have to be given anew.
fn reason(web: &Web, path: &[Edge], grant: &Grant) -> &'static str {
    let recipient = web.end(path);
    match path.iter().find(|edge| !edge.live) {
        _ if grant.level.is_none() => "revoked",
        _ if grant.expired => "expired",
        Some(edge) if web.nodes[edge.to].id == USERS => "not_a_user",
        Some(_) => "member_removed",
        None if web.nodes[web.asker].removed => "principal_removed",
        None if web.via(path).any(|node| node.removed) => "via_removed",
        None if recipient.removed => "recipient_removed",
        None if !web.created => "document_not_created",
        None if web.deleted => "document_deleted",
        None => GRANTED,
    }
}
