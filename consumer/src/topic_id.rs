//! The ids of topics, which rdkafka's safe interface doesn't tell. The only `unsafe` here.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char};
use std::time::Duration;

use rdkafka::bindings::{self as native, rd_kafka_resp_err_t};
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use uuid::Uuid;

/// A topic's id; none when the topic does not exist. Errors are, among others, a leader being
/// elected, missing rights, and a broker without topic ids (`UnsupportedFeature`).
pub type Found = Result<Option<Uuid>, RDKafkaErrorCode>;

/// Asks the brokers for the topics' ids, over the client's own connections; blocks for at most
/// about `timeout`.
pub fn topic_ids<C: ClientContext>(
    client: &Client<C>,
    topics: &[CString],
    timeout: Duration,
) -> Result<HashMap<String, Found>, RDKafkaErrorCode> {
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let mut names: Vec<*const c_char> = topics.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the client outlives this call, and what is made here is destroyed here, after its
    // last use: the queue after the event, so that an answer that comes too late is discarded with
    // it. `names` are C strings that outlive the call, which copies them. The error text of
    // `set_request_timeout` may be absent with size 0. Each pointer is checked before it is read.
    unsafe {
        let handle = client.native_ptr();
        let queue = native::rd_kafka_queue_new(handle);
        let options = native::rd_kafka_AdminOptions_new(
            handle,
            native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
        );
        native::rd_kafka_AdminOptions_set_request_timeout(options, millis, std::ptr::null_mut(), 0);
        let wanted =
            native::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        native::rd_kafka_DescribeTopics(handle, wanted, options, queue);
        native::rd_kafka_TopicCollection_destroy(wanted);
        native::rd_kafka_AdminOptions_destroy(options);
        let event = native::rd_kafka_queue_poll(queue, millis.saturating_add(1000));
        let answer = read(event);
        if !event.is_null() {
            native::rd_kafka_event_destroy(event);
        }
        native::rd_kafka_queue_destroy(queue);
        answer
    }
}

/// # Safety
/// `event` is null or a live event that is not destroyed before this returns.
unsafe fn read(
    event: *mut native::rd_kafka_event_t,
) -> Result<HashMap<String, Found>, RDKafkaErrorCode> {
    if event.is_null() {
        return Err(RDKafkaErrorCode::OperationTimedOut);
    }
    // SAFETY: the result, its descriptions, names and ids belong to the event, which the caller
    // keeps; they are copied before this returns. `count` bounds the array of descriptions.
    unsafe {
        let failed = native::rd_kafka_event_error(event);
        if failed != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(failed.into());
        }
        let result = native::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Err(RDKafkaErrorCode::Fail);
        }
        let mut count = 0;
        let described = native::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        let mut ids = HashMap::new();
        for at in 0..count {
            let topic = *described.add(at);
            let name =
                CStr::from_ptr(native::rd_kafka_TopicDescription_name(topic)).to_string_lossy();
            let failed =
                native::rd_kafka_error_code(native::rd_kafka_TopicDescription_error(topic));
            let found = match failed {
                rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => {
                    let id = native::rd_kafka_TopicDescription_topic_id(topic);
                    let id = if id.is_null() {
                        Uuid::nil()
                    } else {
                        let high = native::rd_kafka_Uuid_most_significant_bits(id);
                        let low = native::rd_kafka_Uuid_least_significant_bits(id);
                        Uuid::from_u64_pair(high.cast_unsigned(), low.cast_unsigned())
                    };
                    // Brokers before Kafka 2.8 have no ids, and all their topics this one.
                    match id.is_nil() {
                        true => Err(RDKafkaErrorCode::UnsupportedFeature),
                        false => Ok(Some(id)),
                    }
                }
                rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => Ok(None),
                failed => Err(failed.into()),
            };
            ids.insert(name.into_owned(), found);
        }
        Ok(ids)
    }
}
