//! `.demo/env`: what another shell needs, to be sourced.

use std::time::Duration;

use uuid::Uuid;

use super::services::{DATABASE, Services};
use super::state::State;
use super::story;
use crate::place::Place;
use crate::postgrest::token::token;
use crate::secret_file;

/// Tokens are signed anew at each start.
const VALID: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Writes the file, readable by its user alone: it holds passwords.
pub fn write(place: &Place, state: &State, services: &Services) -> Result<(), String> {
    let person = |principal: Uuid| token(&state.jwt_secret, "deed_user", Some(principal), VALID);
    let mut variables = vec![
        (
            "DEED_DATABASE_URL",
            services.postgres.consumer_url(DATABASE),
        ),
        ("DEED_KAFKA_BOOTSTRAP", services.kafka.bootstrap()),
        ("DEMO_ADMIN_URL", services.postgres.admin_url(DATABASE)),
        ("DEMO_REST_URL", services.postgrest.url()),
        ("DEMO_JWT_SECRET", state.jwt_secret.clone()),
        (
            "DEMO_TOKEN_SERVICE",
            token(&state.jwt_secret, "deed_service", None, VALID),
        ),
        ("DEMO_TOKEN_ANNE", person(story::anne())),
        ("DEMO_TOKEN_BOB", person(story::bob())),
        ("DEMO_TOKEN_CLEO", person(story::cleo())),
        // Beyond the contract: the programs, and the ids of the story.
        (
            "DEMO_PSQL",
            services
                .postgres
                .program("psql")
                .get_program()
                .to_string_lossy()
                .into_owned(),
        ),
        ("DEMO_KAFKA_CLASSES", place.kafka_classes()),
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
    let text: String = variables
        .into_iter()
        .map(|(name, value)| format!("export {name}='{value}'\n"))
        .collect();
    secret_file::write(&place.root.join(".demo/env"), text.as_bytes())
}
