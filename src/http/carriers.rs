//! Members that the vendor's carriers have in common (docs/reference/wire-contract.md#json).

use serde::Serialize;
use utoipa::ToSchema;

/// The rights of the caller to a carrier.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TableRight {
    /// The names of the rights, such as `Select, Update`.
    mask: &'static str,
    /// Why there are no further rights; always empty.
    reason: &'static str,
}

impl TableRight {
    /// The rights to read-only data.
    pub(super) const READ_ONLY: Self = Self { mask: "Select", reason: "" };
}

/// Data that this service does not have: always null.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct Absent {}

/// The rights of the caller to single members: always null.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct FieldProperties {}
