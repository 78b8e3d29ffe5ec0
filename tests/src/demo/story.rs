//! Anne plans with her team, gives a link away, and changes her mind.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::event::id;

/// What a share link's holder would show; events carry only its digest.
pub const LINK_TOKEN: &str = "the link that Anne gave away";

pub fn anne() -> Uuid {
    id("demo anne")
}

pub fn bob() -> Uuid {
    id("demo bob")
}

pub fn cleo() -> Uuid {
    id("demo cleo")
}

pub fn team() -> Uuid {
    id("demo team")
}

pub fn link() -> Uuid {
    id("demo link")
}

pub fn roadmap() -> Uuid {
    id("demo roadmap")
}

pub fn salaries() -> Uuid {
    id("demo salaries")
}

/// The time of telling, and one soon after; RFC 3339.
pub struct Moment {
    pub now: String,
    pub soon: String,
}

/// Type, subject and data.
pub type Told = (&'static str, Uuid, Value);

/// Something that happens, and the commands that show what follows.
pub struct Chapter {
    pub what: &'static str,
    pub events: fn(&Moment) -> Vec<Told>,
    /// A question in SQL: the commands wait until its answer is true.
    pub once: Option<String>,
    pub commands: Vec<String>,
}

/// A question to psql.
fn psql(query: &str) -> String {
    format!("\"$DEMO_PSQL\" \"$DEMO_ADMIN_URL\" -c \"{query}\"")
}

/// A question over HTTP, with a person's token.
fn curl(person: &str, path: &str) -> String {
    format!("curl -sS -H \"Authorization: Bearer $DEMO_TOKEN_{person}\" \"$DEMO_REST_URL/{path}\"")
}

fn who_sees_the_roadmap() -> String {
    psql(
        "SELECT name, recipient_type, level FROM deed.list_principals('$DEMO_ROADMAP') ORDER BY name",
    )
}

fn what_is_seen_by(person: &str) -> String {
    curl(person, "rpc/list_documents?select=title,level")
}

fn what_the_link_opens() -> String {
    "curl -sS -H \"Share-Link: $DEMO_LINK_TOKEN\" \"$DEMO_REST_URL/documents?select=title,level\""
        .to_owned()
}

fn trash_of_anne() -> String {
    curl("ANNE", "rpc/list_deleted?select=title,deleted_at")
}

fn bob_and_the_salaries() -> String {
    curl("BOB", "rpc/effective_level?document=$DEMO_SALARIES")
}

/// The story, in order. The last chapter has no events: it holds whenever it is asked.
pub fn chapters() -> Vec<Chapter> {
    let chapter = |what, events, commands| Chapter {
        what,
        events,
        once: None,
        commands,
    };
    vec![
        chapter(
            "Anne shares the roadmap with the team, in which Bob is, and the salaries with nobody.",
            sharing,
            vec![
                who_sees_the_roadmap(),
                curl(
                    "BOB",
                    "rpc/has_permission?document=$DEMO_ROADMAP&level=editor",
                ),
                curl(
                    "BOB",
                    "rpc/has_permission?document=$DEMO_SALARIES&level=viewer",
                ),
            ],
        ),
        chapter(
            "Anne gives a link to the roadmap away. Cleo, who signs in, holds nothing yet.",
            linking,
            vec![
                what_the_link_opens(),
                who_sees_the_roadmap(),
                what_is_seen_by("CLEO"),
            ],
        ),
        chapter(
            "Cleo opens the link while signed in, and keeps what it holds.",
            |_| vec![("principal.promoted", link(), json!({ "user": cleo() }))],
            vec![who_sees_the_roadmap(), what_is_seen_by("CLEO")],
        ),
        chapter(
            "For ten seconds Bob may see the salaries.",
            |moment| {
                let data = json!({ "recipient": bob(), "level": "viewer", "granted_by": anne(),
                    "expires_at": moment.soon });
                vec![("permission.granted", salaries(), data)]
            },
            vec![bob_and_the_salaries()],
        ),
        Chapter {
            once: Some(format!(
                "SELECT deed.effective_level('{}', '{}') IS NULL",
                bob(),
                salaries()
            )),
            ..chapter(
                "Then it is over, without any event coming in.",
                |_| vec![],
                vec![bob_and_the_salaries()],
            )
        },
        chapter(
            "Anne deletes the roadmap: nobody sees it, she finds it in her trash.",
            |_| vec![("document.deleted", roadmap(), json!({ "by": anne() }))],
            vec![
                what_is_seen_by("BOB"),
                what_is_seen_by("CLEO"),
                trash_of_anne(),
            ],
        ),
        chapter(
            "Anne restores it: all is as it was.",
            |_| vec![("document.restored", roadmap(), json!({ "by": anne() }))],
            vec![
                what_is_seen_by("BOB"),
                what_is_seen_by("CLEO"),
                trash_of_anne(),
            ],
        ),
        chapter(
            "In the end: who holds what.",
            |_| vec![],
            vec![psql(
                "SELECT d.title, p.name, p.level FROM deed.document AS d, deed.list_principals(d.id) AS p ORDER BY 1, 2",
            )],
        ),
    ]
}

fn sharing(_: &Moment) -> Vec<Told> {
    let user = |name: &str| json!({ "kind": "user", "name": name });
    let document = |title: &str| json!({ "created_by": anne(), "title": title });
    let for_the_team = json!({ "recipient": team(), "level": "editor", "granted_by": anne() });
    vec![
        ("principal.registered", anne(), user("Anne")),
        ("principal.registered", bob(), user("Bob")),
        ("principal.registered", cleo(), user("Cleo")),
        (
            "principal.registered",
            team(),
            json!({ "kind": "group", "name": "Team" }),
        ),
        (
            "group.member_added",
            team(),
            json!({ "member": bob(), "by": anne() }),
        ),
        ("document.created", roadmap(), document("Roadmap")),
        ("document.created", salaries(), document("Salaries")),
        ("permission.granted", roadmap(), for_the_team),
    ]
}

fn linking(_: &Moment) -> Vec<Told> {
    let digest = HEXLOWER.encode(&Sha256::digest(LINK_TOKEN));
    let identity = json!({ "kind": "anonymous", "name": "Link", "token_sha256": digest });
    let viewing = json!({ "recipient": link(), "level": "viewer", "granted_by": anne() });
    vec![
        ("principal.registered", link(), identity),
        ("permission.granted", roadmap(), viewing),
    ]
}
