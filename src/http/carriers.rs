//! Parts that the vendor's carriers have in common (protocol.md 4.5).

use serde::Serialize;
use utoipa::ToSchema;

/// What the caller may do with a carrier.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TableRight {
    /// Names of rights, such as `Select, Update`.
    mask: &'static str,
    /// Why not more; empty: no reason.
    reason: &'static str,
}

impl TableRight {
    /// Something that is only read.
    pub(super) const READ_ONLY: Self = Self { mask: "Select", reason: "" };
}

/// What a credential service has no data for: always null.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct Absent {}

/// What the caller may do with single members: none is told apart, so this is always null.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct FieldProperties {}
