//! The functions that SQL calls, each under a C symbol that a released version may rely on.
//!
//! Their SQL is in `sql/functions.sql`. A symbol once released is kept: an old install script
//! names it.

use deed_core::Level;
use deed_core::decide::Outcome;
use pgrx::datum::{Array, TimestampWithTimeZone};
use pgrx::iter::TableIterator;
use pgrx::{Uuid, name, pg_extern, pg_guard, pg_sys};

use super::enums::{DocumentSort, SqlEnum, oid_of, value_of};
use super::raise::{boundary, or_leave};
use super::{catalog, session};
use crate::apply::{Batch, position};
use crate::failure::{Failure, SqlState};
use crate::list::{documents, permissions};
use crate::{apply, check};

/// Puts a C symbol around a pgrx wrapper, so that failures keep their SQLSTATE.
macro_rules! symbol {
    ($symbol:ident, $info:ident, $wrapper:ident) => {
        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub extern "C" fn $info() -> &'static pg_sys::Pg_finfo_record {
            &pg_sys::Pg_finfo_record { api_version: 1 }
        }

        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $symbol(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: called by the function manager; this frame has nothing to drop.
            unsafe { boundary($wrapper, fcinfo) }
        }
    };
}

symbol!(
    deed_has_permission,
    pg_finfo_deed_has_permission,
    has_permission_wrapper
);
symbol!(
    deed_effective_level,
    pg_finfo_deed_effective_level,
    effective_level_wrapper
);
symbol!(
    deed_list_documents,
    pg_finfo_deed_list_documents,
    list_documents_wrapper
);
symbol!(
    deed_list_permissions,
    pg_finfo_deed_list_permissions,
    list_permissions_wrapper
);
symbol!(deed_apply, pg_finfo_deed_apply, apply_event_wrapper);
symbol!(
    deed_apply_batch,
    pg_finfo_deed_apply_batch,
    apply_batch_wrapper
);
symbol!(deed_claim, pg_finfo_deed_claim, claim_wrapper);

#[allow(missing_docs)]
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    session::define_settings();
    catalog::watch_changes();
}

#[pg_extern(sql = false)]
fn has_permission(principal: Uuid, document: Uuid, level: pg_sys::Oid) -> bool {
    let answer = || {
        let held = check::effective_level(own(principal), own(document))?;
        let wanted = catalog::current()?.level(level);
        Ok(held
            .zip(wanted)
            .is_some_and(|(held, wanted)| held >= wanted))
    };
    or_leave(answer(), || false)
}

#[pg_extern(sql = false)]
fn effective_level(principal: Uuid, document: Uuid) -> Option<pg_sys::Oid> {
    let answer = || match check::effective_level(own(principal), own(document))? {
        Some(level) => Ok(Some(catalog::current()?.level_oid(level))),
        None => Ok(None),
    };
    or_leave(answer(), || None)
}

#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn list_documents(
    principal: Option<Uuid>,
    level: Option<pg_sys::Oid>,
    sort: Option<pg_sys::Oid>,
    after: Option<String>,
    page_size: Option<i32>,
) -> TableIterator<
    'static,
    (
        name!(document_id, Uuid),
        name!(level, pg_sys::Oid),
        name!(title, Option<String>),
        name!(created_at, TimestampWithTimeZone),
        name!(created_by, Uuid),
        name!(last_modified, TimestampWithTimeZone),
        name!(last_modified_by, Uuid),
        name!(cursor, String),
    ),
> {
    let answer = || {
        let (Some(principal), Some(level), Some(sort), Some(page_size)) = (
            principal,
            level.and_then(value_of::<Level>),
            sort.and_then(value_of::<DocumentSort>),
            page_size,
        ) else {
            return Ok(Vec::new());
        };
        documents::page(own(principal), level, sort, after.as_deref(), page_size)
    };
    TableIterator::new(or_leave(answer(), Vec::new).into_iter().map(|row| {
        (
            theirs(row.id),
            row.level,
            row.title,
            row.created_at,
            row.created_by,
            row.last_modified,
            row.last_modified_by,
            row.cursor,
        )
    }))
}

#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn list_permissions(
    document: Option<Uuid>,
    after: Option<String>,
    page_size: Option<i32>,
) -> TableIterator<
    'static,
    (
        name!(recipient_id, Uuid),
        name!(recipient_type, Option<pg_sys::Oid>),
        name!(name, Option<String>),
        name!(description, Option<String>),
        name!(level, pg_sys::Oid),
        name!(granted_by, Option<Uuid>),
        name!(granted_at, TimestampWithTimeZone),
        name!(expires_at, Option<TimestampWithTimeZone>),
        name!(cursor, String),
    ),
> {
    let answer = || match (document, page_size) {
        (Some(document), Some(page_size)) => {
            permissions::page(own(document), after.as_deref(), page_size)
        }
        _ => Ok(Vec::new()),
    };
    TableIterator::new(or_leave(answer(), Vec::new).into_iter().map(|row| {
        (
            theirs(row.recipient),
            row.kind,
            row.name,
            row.description,
            row.level,
            row.granted_by,
            row.granted_at,
            row.expires_at,
            row.cursor,
        )
    }))
}

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
    label(apply::event(&text), Outcome::Rejected)
}

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
    let claimed = or_leave(position::claim(&partition, own(topic_id)).map(Some), || {
        None
    });
    TableIterator::new(claimed)
}

fn given<T>(name: &str, argument: Option<T>) -> Result<T, Failure> {
    argument
        .ok_or_else(|| Failure::new(SqlState::MalformedBatch, format!("{name} must not be null")))
}

fn label<E: SqlEnum>(result: Result<E, Failure>, instead: E) -> pg_sys::Oid {
    oid_of(or_leave(result, || instead))
}

fn own(id: Uuid) -> uuid::Uuid {
    uuid::Uuid::from_bytes(*id.as_bytes())
}

fn theirs(id: uuid::Uuid) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}
