//! Who somebody is, and what they may do.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use deadpool_postgres::{Manager, Pool};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use moka::future::Cache;
use serde::Deserialize;
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};
use uuid::Uuid;

use crate::Proxy;
use crate::settings::Settings;

/// How long a watch lasts unless it is prolonged: so long a proxy that is gone is watched for.
pub const LEASE: Duration = Duration::from_secs(60);
/// For an answer of Postgres.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a level is answered from memory. Short, for what groups change is not followed here.
const MEMORY: Duration = Duration::from_secs(5);

/// A level's word; none is no access.
pub type Level = Option<String>;
/// An answer that ends a request.
pub type Refusal = (StatusCode, &'static str);

/// Asks Postgres.
pub struct Access {
    pool: Pool,
    key: DecodingKey,
    /// Levels by principal and document.
    levels: Cache<(Uuid, Uuid), Level>,
}

/// Browsers can't set a header on a websocket.
#[derive(Deserialize)]
pub struct Token {
    token: Option<String>,
}

/// What a token says.
#[derive(Deserialize)]
pub struct Claims {
    /// The principal.
    pub sub: Uuid,
    /// Until when it says so, in seconds since 1970.
    pub exp: u64,
}

/// A level, and by the database's clock a moment by which it was so: events that are not later say nothing new.
pub struct Known {
    /// The level.
    pub level: Level,
    /// The moment.
    pub at: SystemTime,
}

impl Access {
    /// Connects when first asked.
    pub fn new(settings: &Settings) -> Result<Self, Box<dyn std::error::Error>> {
        let manager = Manager::new(settings.database_url.parse()?, NoTls);
        Ok(Access {
            pool: Pool::builder(manager).build()?,
            key: DecodingKey::from_secret(settings.jwt_secret.as_bytes()),
            levels: Cache::builder()
                .max_capacity(100_000)
                .time_to_live(MEMORY)
                .build(),
        })
    }

    /// What the request's token says.
    pub fn claims(&self, headers: &HeaderMap, token: Token) -> Result<Claims, Refusal> {
        let refusal = (
            StatusCode::UNAUTHORIZED,
            "a token is missing, or not valid: give Authorization: Bearer, or token= in the address",
        );
        let bearer = headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        let token = bearer.map(str::to_owned).or(token.token).ok_or(refusal)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&["deed"]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        jsonwebtoken::decode::<Claims>(&token, &self.key, &validation)
            .map(|token| token.claims)
            .map_err(|_| refusal)
    }

    /// Watches the level until [`LEASE`] has passed; gives the one from which the first change counts. A new watcher's answer is
    /// given under the document's lock, so all that was told before is in it.
    pub async fn watch(
        &self,
        principal: Uuid,
        document: Uuid,
        watcher: &str,
    ) -> Result<Known, Refusal> {
        let sql = "SELECT w.level::text, pg_catalog.clock_timestamp() \
            FROM (SELECT deed.watch($1, $2, \
              pg_catalog.now() + pg_catalog.make_interval(secs => $4), $3) AS level OFFSET 0) AS w";
        let seconds = LEASE.as_secs_f64();
        let row = self
            .row(sql, &[&principal, &document, &watcher, &seconds])
            .await?;
        Ok(Known {
            level: row.get(0),
            at: row.get(1),
        })
    }

    /// Ends that watch.
    pub async fn unwatch(&self, principal: Uuid, document: Uuid, watcher: &str) {
        // The statement has one row, whose only column says nothing.
        let sql = "SELECT NULL::text FROM deed.unwatch($1, $2, $3)";
        let ended = self.ask(sql, &[&principal, &document, &watcher]).await;
        if ended.is_err() {
            tracing::warn!(%document, "the watch ends by itself");
        }
    }

    /// The level, from memory where it was asked or warmed a moment ago.
    pub async fn level(&self, principal: Uuid, document: Uuid) -> Result<Level, Refusal> {
        self.levels
            .try_get_with((principal, document), self.level_now(principal, document))
            .await
            .map_err(|refusal| *refusal)
    }

    /// The level as Postgres has it.
    pub async fn level_now(&self, principal: Uuid, document: Uuid) -> Result<Level, Refusal> {
        let sql = "SELECT deed.effective_level($1, $2)::text";
        self.ask(sql, &[&principal, &document]).await
    }

    /// Has the answer at hand for somebody who was just given something: they will ask soon.
    pub async fn warm(&self, principal: Uuid, document: Uuid) {
        self.levels.invalidate(&(principal, document)).await;
        let _ = self.level(principal, document).await;
    }

    async fn ask(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Level, Refusal> {
        Ok(self.row(sql, params).await?.get(0))
    }

    async fn row(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Row, Refusal> {
        let unavailable = |error: String| {
            tracing::warn!("Postgres: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, "try again in a moment")
        };
        let asked = async {
            let client = self.pool.get().await;
            let client = client.map_err(|error| unavailable(error.to_string()))?;
            let statement = client.prepare_cached(sql).await;
            let statement = statement.map_err(|error| unavailable(error.to_string()))?;
            let row = client.query_one(&statement, params).await;
            row.map_err(|error| unavailable(error.to_string()))
        };
        let answer = tokio::time::timeout(PATIENCE, asked).await;
        answer.unwrap_or_else(|_| Err(unavailable("no answer in time".to_owned())))
    }
}

/// `GET /documents/{id}/level`: what the caller may do there; null is nothing.
pub async fn level(
    State(proxy): State<Arc<Proxy>>,
    Path(document): Path<Uuid>,
    Query(token): Query<Token>,
    headers: HeaderMap,
) -> Result<Json<Level>, Refusal> {
    let principal = proxy.access.claims(&headers, token)?.sub;
    proxy.access.level(principal, document).await.map(Json)
}
