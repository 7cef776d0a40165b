//! The audit log: listing it, verifying it, and anchoring its chains.

pub(crate) mod anchors;
pub(crate) mod audit_log;
pub(crate) mod verification;
