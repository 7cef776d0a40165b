//! The audit log: listing and verifying the chains of audit events, and anchors of their heads.

pub(crate) mod anchors;
pub(crate) mod audit_log;
pub(crate) mod changed_chains;
pub(crate) mod verification;
