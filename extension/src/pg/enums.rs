//! SQL enums as Rust enums, by the OIDs of their labels.
//!
//! pgrx's own derive finds a type by the caller's search_path; these look in schema `deed` only.

use std::ffi::{CStr, CString};

use deed_core::decide::Outcome;
use deed_core::{Level, RecipientKind};
use pgrx::pg_sys;

/// How documents are listed; the SQL enum `deed.document_sort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentSort {
    /// Newest first, ties by id descending.
    LastModified,
    /// By id ascending.
    Id,
}

impl DocumentSort {
    /// The word of the SQL enum.
    pub fn word(self) -> &'static str {
        match self {
            DocumentSort::LastModified => "last_modified",
            DocumentSort::Id => "id",
        }
    }
}

/// A Rust enum with a counterpart in schema `deed`.
pub trait SqlEnum: Copy + 'static {
    /// The SQL type's name.
    const TYPE: &'static CStr;
    /// Every value.
    const ALL: &'static [Self];
    /// The SQL label of a value.
    fn label(self) -> &'static str;
}

impl SqlEnum for Level {
    const TYPE: &'static CStr = c"permission_level";
    const ALL: &'static [Self] = &Level::ALL;
    fn label(self) -> &'static str {
        self.word()
    }
}

impl SqlEnum for RecipientKind {
    const TYPE: &'static CStr = c"permission_recipient";
    const ALL: &'static [Self] = &RecipientKind::ALL;
    fn label(self) -> &'static str {
        self.word()
    }
}

impl SqlEnum for Outcome {
    const TYPE: &'static CStr = c"apply_outcome";
    const ALL: &'static [Self] = &Outcome::ALL;
    fn label(self) -> &'static str {
        self.word()
    }
}

impl SqlEnum for DocumentSort {
    const TYPE: &'static CStr = c"document_sort";
    const ALL: &'static [Self] = &[DocumentSort::LastModified, DocumentSort::Id];
    fn label(self) -> &'static str {
        self.word()
    }
}

/// The OID of a value's label; `InvalidOid` when the type is gone.
pub fn oid_of<E: SqlEnum>(value: E) -> pg_sys::Oid {
    let label = CString::new(value.label()).unwrap_or_default();
    // SAFETY: syscache look-ups with the key types that these caches have; the names outlive them.
    unsafe {
        let namespace = pg_sys::get_namespace_oid(c"deed".as_ptr(), true);
        let absent = pg_sys::Datum::from(0_usize);
        let of_type = pg_sys::GetSysCacheOid(
            pg_sys::SysCacheIdentifier::TYPENAMENSP as i32,
            pg_sys::Anum_pg_type_oid as pg_sys::AttrNumber,
            pg_sys::Datum::from(E::TYPE.as_ptr()),
            pg_sys::Datum::from(namespace),
            absent,
            absent,
        );
        pg_sys::GetSysCacheOid(
            pg_sys::SysCacheIdentifier::ENUMTYPOIDNAME as i32,
            pg_sys::Anum_pg_enum_oid as pg_sys::AttrNumber,
            pg_sys::Datum::from(of_type),
            pg_sys::Datum::from(label.as_ptr()),
            absent,
            absent,
        )
    }
}

/// The value whose label has this OID.
pub fn value_of<E: SqlEnum>(oid: pg_sys::Oid) -> Option<E> {
    E::ALL.iter().copied().find(|value| oid_of(*value) == oid)
}
