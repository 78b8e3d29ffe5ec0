//! The indexes that are read directly, as they should be.

use std::ffi::CStr;

use super::btree::key::{Column, Included, Shape};

/// An index that is read directly, with the shape that the reader relies on.
pub struct Expected {
    /// Its table, in schema `deed`.
    pub table: &'static CStr,
    /// Its name.
    pub index: &'static CStr,
    /// How `pg_get_indexdef` begins behind `USING`, and ends; storage parameters may stand between.
    /// What stands before depends on the search_path.
    pub definition: (&'static str, &'static str),
    /// Its columns.
    pub shape: Shape,
}

/// The indexes that checks and lists read. `sql/indexes.sql` says which question each answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// `deed.permission_pkey`: document, recipient; level, expires_at
    Permission,
    /// `deed.permission_by_recipient`: recipient, level, document; expires_at
    PermissionByRecipient,
    /// `deed.listing_newest_first`: recipient, level, last_modified down, document down; expires_at
    NewestFirst,
    /// `deed.document_not_live`: document
    DocumentNotLive,
    /// `deed.principal_kind`: principal; kind
    PrincipalKind,
    /// `deed.principal_removed`: principal
    PrincipalRemoved,
    /// `deed.principal_node`: principal
    PrincipalNode,
    /// `deed.principal_by_promotion`: user, link
    PrincipalByPromotion,
    /// `deed.principal_promoted`: link, user
    PrincipalPromoted,
    /// `deed.membership_pkey`: group, member; removed
    Membership,
    /// `deed.membership_by_member`: member, group
    MembershipByMember,
    /// `deed.closure_pkey`: member, group
    Closure,
    /// `deed.closure_by_group`: group, member
    ClosureByGroup,
}

impl Index {
    /// How many there are.
    pub const COUNT: usize = 13;

    /// Its columns.
    pub fn shape(self) -> &'static Shape {
        &EXPECTED[self as usize].shape
    }

    /// Its name in schema `deed`.
    pub fn name(self) -> &'static str {
        EXPECTED[self as usize].index.to_str().unwrap_or_default()
    }
}

const IDS: &[Column] = &[Column::Id, Column::Id];

/// In the order of [`Index`].
pub static EXPECTED: [Expected; Index::COUNT] = [
    Expected {
        table: c"permission",
        index: c"permission_pkey",
        definition: (
            "btree (document_id, recipient_id) INCLUDE (level, expires_at)",
            "",
        ),
        shape: Shape {
            key: IDS,
            included: &[Included::Label, Included::Instant],
        },
    },
    Expected {
        table: c"permission",
        index: c"permission_by_recipient",
        definition: (
            "btree (recipient_id, level, document_id) INCLUDE (expires_at)",
            " WHERE (level IS NOT NULL)",
        ),
        shape: Shape {
            key: &[Column::Id, Column::Label, Column::Id],
            included: &[Included::Instant],
        },
    },
    Expected {
        table: c"listing",
        index: c"listing_newest_first",
        definition: (
            "btree (recipient_id, level, last_modified DESC, document_id DESC) \
             INCLUDE (expires_at)",
            "",
        ),
        shape: Shape {
            key: &[
                Column::Id,
                Column::Label,
                Column::InstantDescending,
                Column::IdDescending,
            ],
            included: &[Included::Instant],
        },
    },
    Expected {
        table: c"document",
        index: c"document_not_live",
        definition: (
            "btree (id)",
            " WHERE ((created_at IS NULL) OR (deleted_at IS NOT NULL))",
        ),
        shape: Shape {
            key: &[Column::Id],
            included: &[],
        },
    },
    Expected {
        table: c"principal",
        index: c"principal_kind",
        definition: ("btree (id) INCLUDE (kind)", ""),
        shape: Shape {
            key: &[Column::Id],
            included: &[Included::Label],
        },
    },
    Expected {
        table: c"principal",
        index: c"principal_removed",
        definition: ("btree (id)", " WHERE (removed_at IS NOT NULL)"),
        shape: Shape {
            key: &[Column::Id],
            included: &[],
        },
    },
    Expected {
        table: c"principal",
        index: c"principal_node",
        definition: ("btree (id)", " WHERE node"),
        shape: Shape {
            key: &[Column::Id],
            included: &[],
        },
    },
    Expected {
        table: c"principal",
        index: c"principal_by_promotion",
        definition: (
            "btree (promoted_to, id)",
            " WHERE (promoted_to IS NOT NULL)",
        ),
        shape: Shape {
            key: IDS,
            included: &[],
        },
    },
    Expected {
        table: c"principal",
        index: c"principal_promoted",
        definition: (
            "btree (id, promoted_to)",
            " WHERE (promoted_to IS NOT NULL)",
        ),
        shape: Shape {
            key: IDS,
            included: &[],
        },
    },
    Expected {
        table: c"membership",
        index: c"membership_pkey",
        definition: ("btree (group_id, member_id) INCLUDE (removed)", ""),
        shape: Shape {
            key: IDS,
            included: &[Included::Flag],
        },
    },
    Expected {
        table: c"membership",
        index: c"membership_by_member",
        definition: ("btree (member_id, group_id)", " WHERE (NOT removed)"),
        shape: Shape {
            key: IDS,
            included: &[],
        },
    },
    Expected {
        table: c"closure",
        index: c"closure_pkey",
        definition: ("btree (member_id, group_id)", ""),
        shape: Shape {
            key: IDS,
            included: &[],
        },
    },
    Expected {
        table: c"closure",
        index: c"closure_by_group",
        definition: ("btree (group_id, member_id)", ""),
        shape: Shape {
            key: IDS,
            included: &[],
        },
    },
];
