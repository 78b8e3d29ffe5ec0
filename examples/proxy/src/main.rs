//! A websocket proxy in front of documents: whoever may see a document connects to it, whoever may edit it is heard by
//! the others, and a connection is raised, lowered or closed when that changes.
//!
//! - [`settings`]: what it is told
//! - [`access`]: who somebody is, and what Postgres says that they may do
//! - [`socket`]: one connection; [`hub`]: all of them
//! - [`events`]: Deed's events from Kafka, on their way to the hub

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use clap::Parser;
use tokio::net::TcpListener;

mod access;
mod events;
mod hub;
mod settings;
mod socket;

/// What all requests share.
pub struct Proxy {
    /// Asks Postgres.
    pub access: access::Access,
    /// The connections.
    pub hub: hub::Hub,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_env_filter("info")
        .with_writer(std::io::stderr)
        .init();
    let settings = settings::Settings::parse();
    let proxy = Arc::new(Proxy {
        access: access::Access::new(&settings)?,
        hub: hub::Hub::default(),
    });
    // Reads from here on, before anybody is watched: no change of a watched level is missed.
    let reader = events::Reader::at_the_end(&settings)?;
    std::thread::Builder::new().name("events".into()).spawn({
        let (proxy, runtime) = (proxy.clone(), tokio::runtime::Handle::current());
        move || {
            let error = reader.read(&proxy, &runtime);
            // Behind a gap nobody's level would be known: clients connect anew, to another instance.
            tracing::error!("{error}");
            std::process::exit(1);
        }
    })?;
    let app = Router::new()
        .route("/documents/{id}", get(socket::connect))
        .route("/documents/{id}/level", get(access::level))
        .with_state(proxy);
    let listener = TcpListener::bind(&settings.listen).await?;
    tracing::info!(listen = %listener.local_addr()?, "proxy starts");
    let ending = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    axum::serve(listener, app)
        .with_graceful_shutdown(ending)
        .await?;
    Ok(())
}
