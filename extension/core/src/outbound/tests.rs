use super::*;

fn version(id: &str) -> Version {
    let time = Instant::parse("time", "2026-01-31T09:30:00.5Z").unwrap();
    Version::new(time, Some("7"), id, "/shares", &[7; 32])
}

fn granted(new: Option<Level>) -> Change {
    Change::Permission {
        recipient: EVERYONE,
        recipient_kind: Some(RecipientKind::Group),
        old: None,
        new,
        expires_at: Some(version("x").time()),
    }
}

const DOCUMENT: Uuid = Uuid::from_u128(0xd1);

#[test]
fn an_event_says_what_changed_and_why() {
    let cause = version("e-1");
    let event = Outbound::new(
        DOCUMENT,
        &granted(Some(Level::Editor)),
        Cause::Event(&cause),
    );
    assert_eq!(event.kind, "deed.permission.updated");
    assert_eq!(event.aggregate, "document");
    let data: Value = serde_json::from_str(&event.data).unwrap();
    let expected = json!({
        "recipient": "everyone", "recipient_type": "group",
        "old_level": null, "new_level": "editor", "expires_at": "2026-01-31T09:30:00.5Z",
        "cause": { "source": "/shares", "id": "e-1" },
    });
    assert_eq!(data, expected);
}

#[test]
fn an_expiry_has_no_cause() {
    let event = Outbound::new(DOCUMENT, &granted(None), Cause::Expiry(&version("e-1")));
    let data: Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!(data["cause"], Value::Null);
}

#[test]
fn the_same_change_has_the_same_id_and_another_has_another() {
    let (one, other) = (version("e-1"), version("e-2"));
    let id = |document, change: &Change, cause| Outbound::new(document, change, cause).id;
    let editor = granted(Some(Level::Editor));
    let all = [
        id(DOCUMENT, &editor, Cause::Event(&one)),
        id(DOCUMENT, &editor, Cause::Event(&other)),
        id(DOCUMENT, &editor, Cause::Expiry(&one)),
        id(DOCUMENT, &editor, Cause::Evaluation(Some(&one), 1)),
        id(DOCUMENT, &editor, Cause::Evaluation(Some(&one), 2)),
        id(DOCUMENT, &editor, Cause::Evaluation(None, 1)),
        id(DOCUMENT, &granted(Some(Level::Owner)), Cause::Event(&one)),
        id(Uuid::nil(), &editor, Cause::Event(&one)),
        id(DOCUMENT, &Change::DocumentOrphaned, Cause::Event(&one)),
    ];
    let distinct: std::collections::BTreeSet<Uuid> = all.into_iter().collect();
    assert_eq!(distinct.len(), all.len());
    assert_eq!(all[0], id(DOCUMENT, &editor, Cause::Event(&one)));
    assert_eq!(all[0].get_version_num(), 8);
}

#[test]
fn who_did_it_stands_there_only_where_it_is_known() {
    let cause = version("e-1");
    let data = |by| {
        let change = Change::DocumentDeleted { by };
        let event = Outbound::new(DOCUMENT, &change, Cause::Event(&cause));
        serde_json::from_str::<Value>(&event.data).unwrap()
    };
    assert_eq!(data(Some(DOCUMENT))["by"], DOCUMENT.to_string());
    assert!(data(None).get("by").is_none());
}
