//! The members of each type, as the contract lists them.

use deed_core::Rejection;
use deed_core::decide::{Decision, Held, Outcome, decide};
use deed_core::event::Event;
use serde_json::{Map, Value, json};

use super::{ID, parse, parse_at};
use Need::{Always, NullToo, Optional};
use Shape::{Actor, Content, Kind, Level, Metadata, Principal, Recipient, Text, Time, Token};

/// Whether a member must be there, and whether it may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// It must be there and not be null.
    Always,
    /// It must be there and may be null.
    NullToo,
    /// It may be left out or be null.
    Optional,
}

/// What a member may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Actor,
    Principal,
    Recipient,
    Text,
    Metadata,
    Content,
    Level,
    Kind,
    Token,
    Time,
}

impl Shape {
    fn taken(self) -> Vec<Value> {
        let built_in = "00000000-0000-0000-0000-000000000001";
        match self {
            Actor => vec![json!(ID), json!(ID.to_uppercase()), json!(built_in)],
            Principal => vec![json!(ID), json!(ID.to_uppercase())],
            Recipient => [ID, built_in, "everyone", "users"].map(Value::from).into(),
            Text => ["x", ""].map(Value::from).into(),
            Metadata => vec![json!({}), json!({ "n": [1, null] })],
            Content => vec![json!(7), json!([]), json!("x"), json!(false), json!({})],
            Level => ["viewer", "editor", "owner"].map(Value::from).into(),
            Kind => ["user", "anonymous", "group"].map(Value::from).into(),
            Token => vec![json!("ab".repeat(32)), json!("AB".repeat(32))],
            Time => vec![json!("2030-01-01T00:00:00+01:00")],
        }
    }

    fn refused(self) -> Vec<Value> {
        let built_in = "00000000-0000-0000-0000-000000000002";
        let mut refused = match self {
            Actor => vec![json!("everyone"), json!("me"), json!(ID.replace('-', ""))],
            Principal => [built_in, "users", "me"].map(Value::from).into(),
            Recipient => ["nobody", "Everyone", ""].map(Value::from).into(),
            Text => vec![json!("\0"), json!(["x"])],
            Metadata => vec![json!([]), json!("{}")],
            Content => return vec![json!("\0")],
            Level => vec![json!("Owner"), json!("none")],
            Kind => vec![json!("User"), json!("everyone")],
            Token => vec![json!("ab".repeat(31)), json!("zz".repeat(32))],
            Time => vec![json!("soon"), json!("2030-01-01")],
        };
        refused.extend([json!(7), json!(true)]);
        refused
    }
}

type Member = (&'static str, Need, Shape);

const TITLE: Member = ("title", Optional, Text);
const METADATA: Member = ("metadata", Optional, Metadata);
const CONTENT: Member = ("content", Optional, Content);
const NAME: Member = ("name", Optional, Text);
const DESCRIPTION: Member = ("description", Optional, Text);
const TOKEN: Member = ("token_sha256", Optional, Token);
const ACTED: Member = ("by", Optional, Actor);
const ACTED_OR_NULL: Member = ("by", NullToo, Actor);
const MEMBER: Member = ("member", Always, Principal);
const RECIPIENT: Member = ("recipient", Always, Recipient);
const CREATED_BY: Member = ("created_by", Always, Principal);
const UPDATED_BY: Member = ("updated_by", Always, Actor);
const KIND: Member = ("kind", Always, Kind);
const USER: Member = ("user", Always, Principal);
const LEVEL: Member = ("level", Always, Level);
const GRANTED_BY: Member = ("granted_by", Always, Actor);
const EXPIRES_AT: Member = ("expires_at", Optional, Time);
const REVOKED_BY: Member = ("revoked_by", Always, Actor);

/// The contract's table.
const TYPES: [(&str, &[Member]); 14] = [
    ("document.created", &[CREATED_BY, TITLE, METADATA, CONTENT]),
    ("document.updated", &[UPDATED_BY, TITLE, METADATA, CONTENT]),
    ("document.deleted", &[ACTED_OR_NULL]),
    ("document.restored", &[ACTED_OR_NULL]),
    ("document.purged", &[ACTED_OR_NULL]),
    ("principal.registered", &[KIND, NAME, DESCRIPTION, TOKEN]),
    ("principal.updated", &[NAME, DESCRIPTION, TOKEN]),
    ("principal.removed", &[ACTED]),
    ("principal.restored", &[ACTED]),
    ("principal.promoted", &[USER]),
    ("group.member_added", &[MEMBER, ACTED]),
    ("group.member_removed", &[MEMBER, ACTED]),
    (
        "permission.granted",
        &[RECIPIENT, LEVEL, GRANTED_BY, EXPIRES_AT],
    ),
    ("permission.revoked", &[RECIPIENT, REVOKED_BY]),
];

fn whole(members: &[Member]) -> Map<String, Value> {
    let value = |(name, _, shape): &Member| ((*name).to_owned(), shape.taken()[0].clone());
    members.iter().map(value).collect()
}

/// Every member of every type: left out, null, and with what its shape takes and refuses.
#[test]
fn each_type_takes_what_the_contract_says_and_names_what_is_wrong() {
    for (kind, members) in TYPES {
        let data = whole(members);
        let parse = |data: &Map<_, _>| parse_data(kind, data);
        assert_eq!(parse(&data).expect("whole").body.kind(), kind);
        for (name, need, shape) in members {
            let with = |value: Value| {
                let mut data = data.clone();
                data.insert((*name).to_owned(), value);
                parse_data(kind, &data)
            };
            let mut without = data.clone();
            without.remove(*name);
            let must = |expected: bool, found: Result<Event, Rejection>, how: &str| {
                let field = format!("data.{name}");
                let refused = found.as_ref().err().map(|rejection| &rejection.field);
                let expected = (!expected).then_some(&field);
                assert_eq!(refused, expected, "{kind}, {name} {how}: {found:?}");
            };
            must(*need == Optional, parse(&without), "left out");
            must(*need != Always, with(Value::Null), "null");
            for value in shape.taken() {
                must(true, with(value.clone()), &value.to_string());
            }
            for value in shape.refused() {
                must(false, with(value.clone()), &value.to_string());
            }
        }
    }
}

fn parse_data(kind: &str, data: &Map<String, Value>) -> Result<Event, Rejection> {
    parse_at(kind, ID, "2026-01-01T00:00:00Z", &json!(data).to_string())
}

#[test]
fn no_type_is_about_a_built_in_recipient() {
    for (kind, members) in TYPES {
        for subject in ["00000000-0000-0000-0000-000000000001", "everyone"] {
            let data = json!(whole(members)).to_string();
            let error = parse_at(kind, subject, "2026-01-01T00:00:00Z", &data).unwrap_err();
            assert_eq!(error.field, "subject", "{kind} of {subject}");
        }
    }
}

/// Left out and null say the same of the actor and of the expiry.
#[test]
fn unknown_and_never_have_two_spellings() {
    for (kind, name) in [
        ("principal.removed", "by"),
        ("principal.restored", "by"),
        ("group.member_added", "by"),
        ("group.member_removed", "by"),
        ("permission.granted", "expires_at"),
    ] {
        let (_, members) = TYPES.iter().find(|(of, _)| *of == kind).expect("a type");
        let mut data = whole(members);
        data.insert(name.to_owned(), Value::Null);
        let null = parse_data(kind, &data).expect("null").body;
        data.remove(name);
        assert_eq!(
            parse_data(kind, &data).expect("absent").body,
            null,
            "{kind}"
        );
    }
}

/// An update without a member is valid: nothing holds it back, and nothing moves.
#[test]
fn an_update_without_a_member_moves_nothing() {
    for (kind, data) in [
        ("document.updated", r#"{"updated_by":ID,"unknown":1}"#),
        ("principal.updated", "{}"),
    ] {
        let decision = decide(&Held::default(), &[parse(kind, data).expect("valid")]);
        let nothing = Decision {
            outcomes: vec![Outcome::Duplicate],
            ..Decision::default()
        };
        assert_eq!(decision, nothing, "{kind}");
    }
}
