//! What ends the process.

use std::process::ExitCode;

use rdkafka::error::KafkaError;

use crate::kafka::complaints::advice_at_the_end;

/// An error that the consumer can't go on after.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is wrong; the text says which key, and what was expected.
    #[error("configuration: {0}")]
    Config(String),
    /// The runtime, or the signal handlers, could not be set up.
    #[error("starting: {0}")]
    Start(#[from] std::io::Error),
    /// The Kafka client can't go on; a new process may.
    #[error("Kafka: {0}{next}", next = advice_at_the_end(.0))]
    Kafka(KafkaError),
}

impl From<KafkaError> for Error {
    fn from(error: KafkaError) -> Self {
        match error {
            // Without the value: it may be a password.
            KafkaError::ClientConfig(_, problem, key, _) => {
                Error::Config(format!("[kafka] \"{key}\": {problem}"))
            }
            KafkaError::ClientCreation(problem) => Error::Config(format!("[kafka]: {problem}")),
            error => Error::Kafka(error),
        }
    }
}

impl Error {
    /// 2 for what a person must mend first, 1 for what a restart may.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Error::Config(_) => ExitCode::from(2),
            Error::Start(_) | Error::Kafka(_) => ExitCode::from(1),
        }
    }
}
