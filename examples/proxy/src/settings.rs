//! What the proxy is told, by flag or environment.

use clap::Parser;

/// A websocket proxy that opens, raises and closes connections as permissions change.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Settings {
    /// Where it listens
    #[arg(long, env = "PROXY_LISTEN", default_value = "127.0.0.1:8090")]
    pub listen: String,
    /// The database that has the extension; the login is a member of deed_service
    #[arg(long, env = "PROXY_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Kafka brokers to ask first, comma separated
    #[arg(long, env = "PROXY_KAFKA_BOOTSTRAP")]
    pub kafka_bootstrap: String,
    /// What tokens are signed with (HS256); they carry sub, aud = deed and exp
    #[arg(long, env = "PROXY_JWT_SECRET", hide_env_values = true)]
    pub jwt_secret: String,
}
