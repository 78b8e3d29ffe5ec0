//! The endpoints of health and metrics.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Deserialize;
use tokio::net::TcpListener;
use tracing::info;

use crate::error::Error;
use crate::health::Health;
use crate::metrics;

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is asked of.
#[derive(Clone)]
struct Served {
    health: Arc<Health>,
    metrics: PrometheusHandle,
}

#[derive(Deserialize)]
struct Asked {
    /// Given at all, whatever its value.
    verbose: Option<String>,
}

/// Serves them until the process ends.
pub async fn serve(
    address: SocketAddr,
    health: Arc<Health>,
    metrics: PrometheusHandle,
) -> Result<(), Error> {
    let taken = |error: std::io::Error| {
        let text = format!(
            "http_listen: can't listen on {address}: {error}; is another one there still? Else choose another address or port, 0 for any"
        );
        Error::Start(std::io::Error::new(error.kind(), text))
    };
    let listener = TcpListener::bind(address).await.map_err(taken)?;
    info!(address = %listener.local_addr()?, "health and metrics are served");
    let routes = Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/startupz", get(started))
        .route("/metrics", get(all_metrics))
        .with_state(Served { health, metrics });
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(())
}

async fn live(State(served): State<Served>, asked: Query<Asked>) -> Response {
    answer(served.health.live(), &asked)
}

async fn ready(State(served): State<Served>, asked: Query<Asked>) -> Response {
    answer(served.health.ready(), &asked)
}

async fn started(State(served): State<Served>, asked: Query<Asked>) -> Response {
    answer(served.health.started(), &asked)
}

async fn all_metrics(State(served): State<Served>) -> Response {
    (
        [(CONTENT_TYPE, PROMETHEUS)],
        metrics::render(&served.metrics),
    )
        .into_response()
}

/// A failure says why without being asked.
fn answer((passes, text): (bool, String), asked: &Asked) -> Response {
    match (passes, &asked.verbose) {
        (true, None) => "ok\n".into_response(),
        (true, Some(_)) => text.into_response(),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, text).into_response(),
    }
}
