//! When the database fails: its log says why, and no caller is told.

use deed_tests::postgrest::token::token;
use deed_tests::stage::{JWT_SECRET, Line};
use serde_json::json;
use uuid::Uuid;

use super::surface::names::Names;
use super::{Findings, MINUTE, Scene};

/// An index that checks read is not there, as between new files and the update.
#[test]
fn an_index_that_is_gone_is_not_named() {
    let line = Line::shared("http_failures", 1);
    let event = deed_tests::event::Clock::default().created(Uuid::nil(), Uuid::max(), "Plan");
    let mut client = line.admin();
    let apply = "SELECT deed.apply($1::text::jsonb)";
    client
        .execute(apply, &[&event.envelope().to_string()])
        .expect("applied");
    let http = line.postgrest();
    let names = Names::of(Scene::shared());
    let owner = token(JWT_SECRET, "deed_user", Some(Uuid::max()), MINUTE);
    let service = token(JWT_SECRET, "deed_service", None, MINUTE);
    let mut findings = Findings::default();
    let gone = "ALTER INDEX deed.principal_removed RENAME TO gone";
    client.batch_execute(gone).expect(gone);
    let document = Uuid::nil();
    let route = |route: &str| format!("/rpc/{route}document={document}");
    for (bearer, path) in [
        (&owner, route("has_permission?level=viewer&")),
        (&owner, route("effective_level?")),
        (&owner, route("explain_permission?")),
        (&owner, route("list_permissions?")),
        (&owner, route("list_principals?")),
        (&owner, "/rpc/list_documents".to_owned()),
        (&owner, "/rpc/list_deleted".to_owned()),
        (&owner, format!("/documents?id=eq.{document}")),
        (&service, format!("/documents?id=eq.{document}")),
    ] {
        // A service without sub holds nothing, so no check is asked.
        let answer = http.get(&path, Some(bearer)).expect("an answer");
        if bearer == &owner {
            findings.refuses(
                &path,
                &answer,
                500,
                "PT500",
                "the question could not be answered",
            );
        }
        names.unnamed(&path, &answer, &mut findings);
    }
    let back = "ALTER INDEX deed.gone RENAME TO principal_removed";
    client.batch_execute(back).expect(back);
    let answer = http
        .get(&route("effective_level?"), Some(&owner))
        .expect("an answer");
    findings.gives("again", &answer, &json!("owner"));
}
