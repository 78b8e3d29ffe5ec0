//! The check as one writes it by hand in SQL, in several forms, all under the same rules.
//!
//! A form is an expression over `{p}` (principal), `{d}` (document) and `{l}` (level).

/// One way to write it.
pub struct Form {
    /// Its name in the table.
    pub name: String,
    text: String,
}

impl Form {
    /// The expression over these operands.
    pub fn over(&self, principal: &str, document: &str, level: &str) -> String {
        filled(&self.text, principal, document, level)
    }

    /// Over the columns of a table of pairs, named `q`.
    pub fn over_pairs(&self) -> String {
        self.over("q.principal", "q.document", "q.level")
    }
}

/// `{p}`, `{d}` and `{l}` replaced.
pub fn filled(text: &str, principal: &str, document: &str, level: &str) -> String {
    text.replace("{p}", principal)
        .replace("{d}", document)
        .replace("{l}", level)
}

/// The groups and links that the principal is in or took over.
const HELD: &str = "SELECT m.group_id AS id FROM deed.membership AS m
    WHERE m.member_id = {p} AND NOT m.removed
  UNION ALL
  SELECT l.id FROM deed.principal AS l WHERE l.promoted_to = {p}";

/// Every recipient whose grants the principal holds.
pub const CLOSURE: &str = "SELECT {p}::uuid AS id
  UNION ALL SELECT '00000000-0000-0000-0000-000000000001'::uuid
  UNION ALL SELECT '00000000-0000-0000-0000-000000000002'::uuid
    FROM deed.principal AS u WHERE u.id = {p} AND u.kind = 'user'
  UNION ALL SELECT h.id FROM (HELD) AS h
    WHERE NOT EXISTS (SELECT FROM deed.principal AS r WHERE r.id = h.id AND r.removed_at IS NOT NULL)
  UNION ALL SELECT c.group_id FROM (HELD) AS h JOIN deed.closure AS c ON c.member_id = h.id
    WHERE NOT EXISTS (SELECT FROM deed.principal AS r WHERE r.id = h.id AND r.removed_at IS NOT NULL)";

/// [`CLOSURE`] with its parts put in.
pub fn closure() -> String {
    CLOSURE.replace("HELD", HELD)
}

/// Of a grant `g`.
pub const UNEXPIRED: &str = "(g.expires_at IS NULL OR g.expires_at > statement_timestamp())";
/// The document is created and not deleted.
pub const LIVE: &str = "NOT EXISTS (SELECT FROM deed.document AS d
    WHERE d.id = {d} AND (d.created_at IS NULL OR d.deleted_at IS NOT NULL))";
/// The principal is not removed.
pub const ACTIVE: &str = "NOT EXISTS (SELECT FROM deed.principal AS a
    WHERE a.id = {p} AND a.removed_at IS NOT NULL)";

/// A grant to one recipient.
fn granted(recipient: &str) -> String {
    format!(
        "EXISTS (SELECT FROM deed.permission AS g WHERE g.document_id = {{d}}
           AND g.recipient_id = {recipient} AND g.level >= {{l}} AND {UNEXPIRED})"
    )
}

/// A grant to a principal's own id, to everyone or to users, in one look.
fn by_name() -> String {
    format!(
        "EXISTS (SELECT FROM deed.permission AS g WHERE g.document_id = {{d}}
           AND g.recipient_id IN ({{p}}, '00000000-0000-0000-0000-000000000001',
             '00000000-0000-0000-0000-000000000002')
           AND g.level >= {{l}} AND {UNEXPIRED}
           AND (g.recipient_id <> '00000000-0000-0000-0000-000000000002' OR g.recipient_id = {{p}}
             OR EXISTS (SELECT FROM deed.principal AS u WHERE u.id = {{p}} AND u.kind = 'user')))"
    )
}

/// A grant to a group or link of the principal's, or to what that is in.
fn by_group() -> String {
    format!(
        "EXISTS (SELECT FROM ({HELD}) AS h
           WHERE NOT EXISTS (SELECT FROM deed.principal AS r
               WHERE r.id = h.id AND r.removed_at IS NOT NULL)
             AND ({} OR EXISTS (SELECT FROM deed.closure AS c
               JOIN deed.permission AS g ON g.document_id = {{d}} AND g.recipient_id = c.group_id
               WHERE c.member_id = h.id AND g.level >= {{l}} AND {UNEXPIRED})))",
        granted("h.id")
    )
}

/// Each kind of recipient by a look of its own.
fn one_by_one() -> String {
    let everyone = granted("'00000000-0000-0000-0000-000000000001'");
    let users = granted("'00000000-0000-0000-0000-000000000002'");
    format!(
        "({} OR {everyone} OR ({users} AND ({{p}} = '00000000-0000-0000-0000-000000000002'
           OR EXISTS (SELECT FROM deed.principal AS u WHERE u.id = {{p}} AND u.kind = 'user')))
         OR {})",
        granted("{p}"),
        by_group()
    )
}

/// All recipients as one array.
fn array() -> String {
    format!(
        "EXISTS (SELECT FROM deed.permission AS g WHERE g.document_id = {{d}}
           AND g.recipient_id = ANY (ARRAY({})) AND g.level >= {{l}} AND {UNEXPIRED})",
        closure()
    )
}

/// All recipients joined with the document's grants.
fn union() -> String {
    format!(
        "EXISTS (SELECT FROM ({}) AS r JOIN deed.permission AS g ON g.recipient_id = r.id
           WHERE g.document_id = {{d}} AND g.level >= {{l}} AND {UNEXPIRED})",
        closure()
    )
}

/// The greatest level of all recipients.
fn greatest() -> String {
    format!(
        "coalesce((SELECT max(g.level) FROM ({}) AS r
           JOIN deed.permission AS g ON g.recipient_id = r.id
           WHERE g.document_id = {{d}} AND {UNEXPIRED}) >= {{l}}, false)",
        closure()
    )
}

/// From the document's grants to whoever holds them.
fn from_document() -> String {
    format!(
        "EXISTS (SELECT FROM deed.permission AS g WHERE g.document_id = {{d}}
           AND g.level >= {{l}} AND {UNEXPIRED}
           AND (g.recipient_id IN ({{p}}, '00000000-0000-0000-0000-000000000001')
             OR g.recipient_id = '00000000-0000-0000-0000-000000000002' AND EXISTS (
               SELECT FROM deed.principal AS u WHERE u.id = {{p}} AND u.kind = 'user')
             OR EXISTS (SELECT FROM ({HELD}) AS h
               WHERE NOT EXISTS (SELECT FROM deed.principal AS r
                   WHERE r.id = h.id AND r.removed_at IS NOT NULL)
                 AND (h.id = g.recipient_id OR EXISTS (SELECT FROM deed.closure AS c
                   WHERE c.member_id = h.id AND c.group_id = g.recipient_id)))))"
    )
}

/// All forms: each with the rare refusals joined in by the planner, and asked last.
pub fn all() -> Vec<Form> {
    let named_then = |rest: String| format!("({} OR {rest})", by_name());
    let own_then = |rest: String| format!("({} OR {rest})", granted("{p}"));
    let found = [
        ("one EXISTS a recipient", one_by_one()),
        ("EXISTS by names, then by groups", named_then(by_group())),
        ("EXISTS in an array of recipients", array()),
        ("EXISTS of its own, then in an array", own_then(array())),
        ("EXISTS over a union of recipients", union()),
        ("EXISTS of its own, then over a union", own_then(union())),
        ("EXISTS by names, then over a union", named_then(union())),
        ("max over a union of recipients", greatest()),
        ("EXISTS from the document's grants", from_document()),
    ];
    let forms = found.into_iter().flat_map(|(name, found)| {
        [
            Form {
                name: name.to_owned(),
                text: format!("({LIVE} AND {ACTIVE} AND {found})"),
            },
            Form {
                name: format!("{name}, refusals last"),
                text: format!("(CASE WHEN {found} THEN {LIVE} AND {ACTIVE} ELSE false END)"),
            },
        ]
    });
    forms.collect()
}
