//! What Kafka's clients complain of while they go on trying: each kind at a limited rate, with the next step.

use std::collections::HashMap;
use std::sync::Mutex;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel as Level;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{NoCustomPartitioner, ProducerContext};
use tracing::{debug, error, info, warn};

use crate::log_limit::LogLimit;
use crate::metrics;

/// The complaints of one client.
#[derive(Default)]
pub struct Complaints(Mutex<HashMap<i32, LogLimit>>);

impl Complaints {
    /// Logs an error that the client goes on after.
    pub fn tell(&self, code: Code, reason: &str) {
        let mut limits = self.0.lock().expect("nobody panics here");
        if limits.entry(code as i32).or_default().passes() {
            warn!(%code, "Kafka is tried again: {reason}{}", advice(code));
        }
    }
}

impl ClientContext for Complaints {
    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            metrics::kafka_error(code);
            self.tell(code, reason);
        }
    }

    fn log(&self, level: Level, facility: &str, message: &str) {
        // Each failed attempt to connect, which comes as an error too; and keys that are for the other kind of client, as
        // [kafka] is for both.
        if ["FAIL", "CONFWARN"].contains(&facility) {
            debug!(facility, "librdkafka: {message}");
            return;
        }
        match level {
            Level::Emerg | Level::Alert | Level::Critical | Level::Error => {
                error!(facility, "librdkafka: {message}");
            }
            Level::Warning => warn!(facility, "librdkafka: {message}"),
            Level::Notice | Level::Info => info!(facility, "librdkafka: {message}"),
            Level::Debug => debug!(facility, "librdkafka: {message}"),
        }
    }
}

impl ProducerContext<NoCustomPartitioner> for Complaints {
    type DeliveryOpaque = ();

    // A transaction's commit tells of all of its records.
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// The next step behind an error, as the end of a message; empty where there is none to tell.
pub fn advice(code: Code) -> &'static str {
    match code {
        Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism => {
            "; look at sasl.mechanism, sasl.username and sasl.password in [kafka]"
        }
        Code::SSL => {
            "; look at ssl.ca.location in [kafka], and whether the brokers' certificates are for the names that they are reached by"
        }
        Code::AllBrokersDown | Code::BrokerTransportFailure | Code::Resolve => {
            "; look at kafka_bootstrap, and at security.protocol in [kafka]"
        }
        Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed => {
            "; the login needs READ and DESCRIBE of the topics, and READ of the group"
        }
        Code::UnreleasedInstanceId => {
            "; a process with the same group.instance.id was killed, and its session lasts: start again until it has ended"
        }
        Code::FencedInstanceId => {
            "; another process has the same group.instance.id: give each instance one of its own"
        }
        _ => "",
    }
}

/// The same of an error that ends the client.
pub fn advice_at_the_end(error: &KafkaError) -> &'static str {
    error.rdkafka_error_code().map_or("", advice)
}
