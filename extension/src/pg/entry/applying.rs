//! Events, the consumer's calls and quarantine.

use deed_core::decide::Outcome;
use pgrx::datum::Array;
use pgrx::iter::TableIterator;
use pgrx::{Uuid, name, pg_extern, pg_sys};

use super::symbol;
use crate::apply::{self, Batch, Policy, position};
use crate::failure::{Failure, SqlState};
use crate::pg::enums::oid_of;
use crate::pg::ids::core_uuid;
use crate::pg::raise::{boundary, or_leave};

symbol!(deed_apply, pg_finfo_deed_apply, apply_event_wrapper);
symbol!(deed_apply_0_2, pg_finfo_deed_apply_0_2, apply_event_wrapper);
symbol!(deed_apply_0_3, pg_finfo_deed_apply_0_3, apply_event_wrapper);
symbol!(deed_apply_0_5, pg_finfo_deed_apply_0_5, apply_event_wrapper);
symbol!(
    deed_apply_batch,
    pg_finfo_deed_apply_batch,
    apply_batch_wrapper
);
symbol!(
    deed_apply_batch_0_2,
    pg_finfo_deed_apply_batch_0_2,
    apply_batch_wrapper
);
symbol!(
    deed_apply_batch_0_3,
    pg_finfo_deed_apply_batch_0_3,
    apply_batch_wrapper
);
symbol!(
    deed_apply_batch_0_5,
    pg_finfo_deed_apply_batch_0_5,
    apply_batch_wrapper
);
symbol!(
    deed_apply_batch_0_6,
    pg_finfo_deed_apply_batch_0_6,
    apply_batch_by_wrapper
);
symbol!(deed_claim, pg_finfo_deed_claim, claim_wrapper);
symbol!(deed_claim_0_6, pg_finfo_deed_claim_0_6, claim_as_wrapper);
symbol!(deed_redrive_0_2, pg_finfo_deed_redrive_0_2, redrive_wrapper);
symbol!(deed_redrive_0_3, pg_finfo_deed_redrive_0_3, redrive_wrapper);
symbol!(deed_redrive_0_5, pg_finfo_deed_redrive_0_5, redrive_wrapper);

/// The event's jsonb comes as a bare datum: pgrx's `JsonB` would round its numbers.
#[pg_extern(sql = false)]
fn apply_event(event: pgrx::datum::AnyElement) -> pg_sys::Oid {
    // SAFETY: SQL declares the argument as jsonb, whose output function gives a C string.
    let text = unsafe {
        let text = pg_sys::OidOutputFunctionCall(pg_sys::F_JSONB_OUT.into(), event.datum());
        std::ffi::CStr::from_ptr(text)
            .to_string_lossy()
            .into_owned()
    };
    oid_of(or_leave(apply::event(&text), || Outcome::Rejected))
}

/// As a consumer of 0.5.0 calls it.
#[allow(clippy::too_many_arguments)]
#[pg_extern(sql = false)]
fn apply_batch(
    consumer_group: Option<&str>,
    topic: Option<&str>,
    partition: Option<i32>,
    epoch: Option<i64>,
    continues_from: Option<i64>,
    next_offset: Option<i64>,
    offsets: Option<Array<'_, i64>>,
    timestamps: Option<Array<'_, i64>>,
    keys: Option<Array<'_, &[u8]>>,
    header_counts: Option<Array<'_, i32>>,
    header_names: Option<Array<'_, &[u8]>>,
    header_values: Option<Array<'_, &[u8]>>,
    payloads: Option<Array<'_, &[u8]>>,
) -> TableIterator<
    'static,
    (
        name!(r#type, Option<String>),
        name!(outcome, pg_sys::Oid),
        name!(events, i64),
    ),
> {
    apply_batch_by(
        consumer_group,
        topic,
        partition,
        epoch,
        continues_from,
        next_offset,
        offsets,
        timestamps,
        keys,
        header_counts,
        header_names,
        header_values,
        payloads,
        Some(true),
        None,
        None,
    )
}

#[allow(clippy::too_many_arguments)]
#[pg_extern(sql = false)]
fn apply_batch_by(
    consumer_group: Option<&str>,
    topic: Option<&str>,
    partition: Option<i32>,
    epoch: Option<i64>,
    continues_from: Option<i64>,
    next_offset: Option<i64>,
    offsets: Option<Array<'_, i64>>,
    timestamps: Option<Array<'_, i64>>,
    keys: Option<Array<'_, &[u8]>>,
    header_counts: Option<Array<'_, i32>>,
    header_names: Option<Array<'_, &[u8]>>,
    header_values: Option<Array<'_, &[u8]>>,
    payloads: Option<Array<'_, &[u8]>>,
    tolerant: Option<bool>,
    dead_letter_topic: Option<&str>,
    refused_for: Option<&str>,
) -> TableIterator<
    'static,
    (
        name!(r#type, Option<String>),
        name!(outcome, pg_sys::Oid),
        name!(events, i64),
    ),
> {
    let answer = || {
        apply::batch(&Batch {
            partition: position::Partition {
                consumer_group: given("consumer_group", consumer_group)?,
                topic: given("topic", topic)?,
                partition: given("partition", partition)?,
            },
            epoch: given("epoch", epoch)?,
            continues_from,
            next_offset: given("next_offset", next_offset)?,
            offsets: given("offsets", offsets.as_ref())?.iter().collect(),
            timestamps: given("timestamps", timestamps.as_ref())?.iter().collect(),
            keys: given("keys", keys.as_ref())?.iter().collect(),
            header_counts: given("header_counts", header_counts.as_ref())?
                .iter()
                .collect(),
            header_names: given("header_names", header_names.as_ref())?
                .iter()
                .collect(),
            header_values: given("header_values", header_values.as_ref())?
                .iter()
                .collect(),
            payloads: given("payloads", payloads.as_ref())?.iter().collect(),
            policy: Policy {
                is_intolerant: !given("tolerant", tolerant)?,
                dead_letter_topic,
                refused_for,
            },
        })
    };
    let counts = or_leave(answer(), Vec::new);
    TableIterator::new(counts.into_iter().map(|count| {
        (
            count.kind.map(str::to_owned),
            oid_of(count.outcome),
            count.events,
        )
    }))
}

/// As it was before 0.6.0.
#[pg_extern(sql = false)]
fn claim(
    consumer_group: &str,
    topic: &str,
    partition: i32,
    topic_id: Uuid,
) -> TableIterator<'static, (name!(epoch, i64), name!(next_offset, Option<i64>))> {
    let partition = position::Partition {
        consumer_group,
        topic,
        partition,
    };
    let claimed = position::claim(&partition, core_uuid(topic_id), None).map(Some);
    TableIterator::new(or_leave(claimed, || None))
}

#[pg_extern(sql = false)]
fn claim_as(
    consumer_group: Option<&str>,
    topic: Option<&str>,
    partition: Option<i32>,
    topic_id: Option<Uuid>,
    owner: Option<&str>,
) -> TableIterator<'static, (name!(epoch, i64), name!(next_offset, Option<i64>))> {
    let answer = || {
        let partition = position::Partition {
            consumer_group: given("consumer_group", consumer_group)?,
            topic: given("topic", topic)?,
            partition: given("partition", partition)?,
        };
        let topic_id = core_uuid(given("topic_id", topic_id)?);
        position::claim(&partition, topic_id, Some(given("owner", owner)?)).map(Some)
    };
    TableIterator::new(or_leave(answer(), || None))
}

#[pg_extern(sql = false)]
fn redrive(
    ids: Array<'_, i64>,
) -> TableIterator<
    'static,
    (
        name!(id, i64),
        name!(outcome, pg_sys::Oid),
        name!(reason, Option<String>),
    ),
> {
    let redriven = or_leave(apply::redrive(ids.iter().collect()), Vec::new);
    TableIterator::new(
        redriven
            .into_iter()
            .map(|record| (record.id, oid_of(record.outcome), record.reason)),
    )
}

fn given<T>(name: &str, argument: Option<T>) -> Result<T, Failure> {
    argument
        .ok_or_else(|| Failure::new(SqlState::MalformedBatch, format!("{name} must not be null")))
}
