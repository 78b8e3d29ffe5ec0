//! Lists. Without a principal, document or page size they have no row.

use deed_core::Level;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::{Uuid, name, pg_extern, pg_sys};

use super::symbol;
use crate::list::{deleted, documents, members, permissions, principals};
use crate::pg::enums::{DocumentSort, value_of};
use crate::pg::ids::{core_uuid, sql_uuid};
use crate::pg::raise::{boundary, or_leave};

symbol!(
    deed_list_documents,
    pg_finfo_deed_list_documents,
    list_documents_wrapper
);
symbol!(
    deed_list_documents_0_2,
    pg_finfo_deed_list_documents_0_2,
    list_documents_wrapper
);
symbol!(
    deed_list_principals_0_2,
    pg_finfo_deed_list_principals_0_2,
    list_principals_wrapper
);
symbol!(
    deed_list_permissions,
    pg_finfo_deed_list_permissions,
    list_permissions_wrapper
);
symbol!(
    deed_list_permissions_0_2,
    pg_finfo_deed_list_permissions_0_2,
    list_permissions_wrapper
);
symbol!(
    deed_list_members_0_2,
    pg_finfo_deed_list_members_0_2,
    list_members_wrapper
);
symbol!(
    deed_list_deleted_0_2,
    pg_finfo_deed_list_deleted_0_2,
    list_deleted_wrapper
);

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
        documents::page(
            core_uuid(principal),
            level,
            sort,
            after.as_deref(),
            page_size,
        )
    };
    TableIterator::new(or_leave(answer(), Vec::new).into_iter().map(|row| {
        (
            sql_uuid(row.id),
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
            permissions::page(core_uuid(document), after.as_deref(), page_size)
        }
        _ => Ok(Vec::new()),
    };
    TableIterator::new(or_leave(answer(), Vec::new).into_iter().map(|row| {
        (
            sql_uuid(row.recipient),
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

#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn list_principals(
    document: Option<Uuid>,
    level: Option<pg_sys::Oid>,
    after: Option<String>,
    page_size: Option<i32>,
) -> TableIterator<
    'static,
    (
        name!(principal_id, Uuid),
        name!(recipient_type, Option<pg_sys::Oid>),
        name!(name, Option<String>),
        name!(description, Option<String>),
        name!(level, pg_sys::Oid),
        name!(cursor, String),
    ),
> {
    let answer = || match (document, level.and_then(value_of::<Level>), page_size) {
        (Some(document), Some(level), Some(page_size)) => {
            principals::page(core_uuid(document), level, after.as_deref(), page_size)
        }
        _ => Ok(Vec::new()),
    };
    TableIterator::new(or_leave(answer(), Vec::new).into_iter().map(|row| {
        (
            sql_uuid(row.id),
            row.kind,
            row.name,
            row.description,
            row.level,
            row.cursor,
        )
    }))
}

#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn list_members(
    group_id: Option<Uuid>,
    after: Option<String>,
    page_size: Option<i32>,
) -> TableIterator<
    'static,
    (
        name!(member_id, Uuid),
        name!(recipient_type, Option<pg_sys::Oid>),
        name!(name, Option<String>),
        name!(cursor, String),
    ),
> {
    let answer = || match (group_id, page_size) {
        (Some(group), Some(page_size)) => {
            members::page(core_uuid(group), after.as_deref(), page_size)
        }
        _ => Ok(Vec::new()),
    };
    TableIterator::new(
        or_leave(answer(), Vec::new)
            .into_iter()
            .map(|row| (sql_uuid(row.id), row.kind, row.name, row.cursor)),
    )
}

#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn list_deleted(
    principal: Option<Uuid>,
    after: Option<String>,
    page_size: Option<i32>,
) -> TableIterator<
    'static,
    (
        name!(document_id, Uuid),
        name!(title, Option<String>),
        name!(created_at, TimestampWithTimeZone),
        name!(created_by, Uuid),
        name!(last_modified, TimestampWithTimeZone),
        name!(last_modified_by, Uuid),
        name!(deleted_at, TimestampWithTimeZone),
        name!(deleted_by, Option<Uuid>),
        name!(cursor, String),
    ),
> {
    let answer = || match (principal, page_size) {
        (Some(principal), Some(page_size)) => {
            deleted::page(core_uuid(principal), after.as_deref(), page_size)
        }
        _ => Ok(Vec::new()),
    };
    TableIterator::new(or_leave(answer(), Vec::new).into_iter().map(|row| {
        (
            sql_uuid(row.id),
            row.title,
            row.created_at,
            row.created_by,
            row.last_modified,
            row.last_modified_by,
            row.deleted_at,
            row.deleted_by,
            row.cursor,
        )
    }))
}
