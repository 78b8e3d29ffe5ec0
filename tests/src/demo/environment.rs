//! `.demo/env`: what another shell needs, to be sourced.

use std::time::Duration;

use uuid::Uuid;

use super::services::{DATABASE, Services};
use super::state::State;
use super::story;
use crate::place::Place;
use crate::postgres::Postgres;
use crate::postgrest::token::token;
use crate::secret_file;

/// Tokens are signed anew at each start.
const VALID: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Where a line is whose data is the story's.
pub struct Addresses<'a> {
    /// Its cluster.
    pub postgres: &'a Postgres,
    /// Its database.
    pub database: &'a str,
    /// Its broker.
    pub kafka_bootstrap: String,
    /// Its PostgREST.
    pub rest_url: String,
    /// What that PostgREST trusts.
    pub jwt_secret: &'a str,
}

/// The variables, by name.
pub fn variables(place: &Place, at: &Addresses<'_>) -> Vec<(&'static str, String)> {
    let person = |principal: Uuid| token(at.jwt_secret, "deed_user", Some(principal), VALID);
    let psql = at.postgres.program("psql");
    let mut variables = vec![
        ("DEED_DATABASE_URL", at.postgres.consumer_url(at.database)),
        ("DEED_KAFKA_BOOTSTRAP", at.kafka_bootstrap.clone()),
        ("DEMO_ADMIN_URL", at.postgres.admin_url(at.database)),
        ("DEMO_REST_URL", at.rest_url.clone()),
        ("DEMO_JWT_SECRET", at.jwt_secret.to_owned()),
        (
            "DEMO_TOKEN_SERVICE",
            token(at.jwt_secret, "deed_service", None, VALID),
        ),
        ("DEMO_TOKEN_ANNE", person(story::anne())),
        ("DEMO_TOKEN_BOB", person(story::bob())),
        ("DEMO_TOKEN_CLEO", person(story::cleo())),
        // Beyond the contract: what the link's holder shows, the programs, and the ids of the story.
        ("DEMO_LINK_TOKEN", story::LINK_TOKEN.to_owned()),
        (
            "DEMO_PSQL",
            psql.get_program().to_string_lossy().into_owned(),
        ),
        ("DEMO_KAFKA_CLASSES", place.kafka_classes()),
        ("DEMO_CONSUMER", place.consumer().display().to_string()),
        ("DEMO_PROXY", place.proxy().display().to_string()),
    ];
    let ids = [
        ("DEMO_ANNE", story::anne()),
        ("DEMO_BOB", story::bob()),
        ("DEMO_CLEO", story::cleo()),
        ("DEMO_TEAM", story::team()),
        ("DEMO_LINK", story::link()),
        ("DEMO_ROADMAP", story::roadmap()),
        ("DEMO_SALARIES", story::salaries()),
    ];
    variables.extend(ids.map(|(name, id)| (name, id.to_string())));
    variables
}

/// Writes the file, readable by its user alone: it holds passwords.
pub fn write(place: &Place, state: &State, services: &Services) -> Result<(), String> {
    let at = Addresses {
        postgres: &services.postgres,
        database: DATABASE,
        kafka_bootstrap: services.kafka.bootstrap(),
        rest_url: services.postgrest.url(),
        jwt_secret: &state.jwt_secret,
    };
    let consumer = ("DEMO_CONSUMER_URL", services.consumer_url.clone());
    let text: String = variables(place, &at)
        .into_iter()
        .chain([consumer])
        .map(|(name, value)| format!("export {name}='{value}'\n"))
        .collect();
    secret_file::write(&place.root.join(".demo/env"), text.as_bytes())
}
