//! Who somebody is, and what they may do.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use deadpool_postgres::{Manager, Pool};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use moka::future::Cache;
use serde::Deserialize;
use tokio_postgres::NoTls;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::Proxy;
use crate::settings::Settings;

/// How long a watch lasts unless it is prolonged: so long a proxy that is gone is watched for.
pub const LEASE: Duration = Duration::from_secs(60);
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

#[derive(Deserialize)]
struct Claims {
    sub: Uuid,
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

    /// The principal that the request's token names.
    pub fn principal(&self, headers: &HeaderMap, token: Token) -> Result<Uuid, Refusal> {
        let refusal = (
            StatusCode::UNAUTHORIZED,
            "a token is missing, or not valid: give Authorization: Bearer, or token= in the address",
        );
        let bearer = headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        let token = bearer.map(str::to_owned).or(token.token).ok_or(refusal)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&["deed"]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        jsonwebtoken::decode::<Claims>(&token, &self.key, &validation)
            .map(|token| token.claims.sub)
            .map_err(|_| refusal)
    }

    /// Watches the level until [`LEASE`] has passed; gives the one from which the first change counts.
    pub async fn watch(
        &self,
        principal: Uuid,
        document: Uuid,
        watcher: &str,
    ) -> Result<Level, Refusal> {
        let seconds = LEASE.as_secs_f64();
        self.ask(
            "SELECT deed.watch($1, $2, pg_catalog.now() + pg_catalog.make_interval(secs => $4), $3)::text",
            &[&principal, &document, &watcher, &seconds],
        )
        .await
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
        let asking = async {
            let sql = "SELECT deed.effective_level($1, $2)::text";
            self.ask(sql, &[&principal, &document]).await
        };
        self.levels
            .try_get_with((principal, document), asking)
            .await
            .map_err(|refusal| *refusal)
    }

    /// Has the answer at hand for somebody who was just given something: they will ask soon.
    pub async fn warm(&self, principal: Uuid, document: Uuid) {
        self.levels.invalidate(&(principal, document)).await;
        let _ = self.level(principal, document).await;
    }

    async fn ask(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Level, Refusal> {
        let unavailable = |error: String| {
            tracing::warn!("Postgres: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, "try again in a moment")
        };
        let client = self.pool.get().await;
        let client = client.map_err(|error| unavailable(error.to_string()))?;
        let asked = async {
            let statement = client.prepare_cached(sql).await?;
            client.query_one(&statement, params).await?.try_get(0)
        };
        asked
            .await
            .map_err(|error: tokio_postgres::Error| unavailable(error.to_string()))
    }
}

/// `GET /documents/{id}/level`: what the caller may do there; null is nothing.
pub async fn level(
    State(proxy): State<Arc<Proxy>>,
    Path(document): Path<Uuid>,
    Query(token): Query<Token>,
    headers: HeaderMap,
) -> Result<Json<Level>, Refusal> {
    let principal = proxy.access.principal(&headers, token)?;
    proxy.access.level(principal, document).await.map(Json)
}
