//! What librdkafka calls when the group changes: inside `poll`, on the polling thread.

use std::sync::{Arc, Mutex, MutexGuard};

use rdkafka::ClientContext;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;

use crate::assignment::Assignment;
use crate::health::Health;
use crate::kafka::complaints::Complaints;

/// The group member's context.
pub struct Context {
    assignment: Mutex<Assignment>,
    health: Arc<Health>,
    /// What the client can't do, and goes on trying.
    pub complaints: Complaints,
}

impl Context {
    /// Of a member that has no partitions yet.
    pub fn new(assignment: Assignment, health: Arc<Health>) -> Self {
        Context {
            assignment: Mutex::new(assignment),
            health,
            complaints: Complaints::default(),
        }
    }

    /// The partitions. Not to be held over a poll, which takes them itself.
    pub fn assignment(&self) -> MutexGuard<'_, Assignment> {
        self.assignment
            .lock()
            .expect("the polling thread is alone here")
    }
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        let Some(group) = statistics.cgrp else {
            return;
        };
        let answer = match group.state.as_str() {
            "up" => Ok(()),
            state => Err(format!("its coordinator is not reached ({state})")),
        };
        self.health.heard("group", answer);
    }

    // The same errors come out of `poll`, without the reason.
    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.error(error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.complaints.log(level, facility, message);
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        client: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let mut assignment = self.assignment();
        if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            assignment.assigned(client, partitions);
        } else {
            assignment.revoked(client, partitions);
        }
    }
}
