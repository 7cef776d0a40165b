//! The audit log: reading and verifying the chains of audit events, and anchors of their heads.

pub(crate) mod anchors;
pub(crate) mod audit_reader;
pub(crate) mod changed_chains;
pub(crate) mod export_format;
pub(crate) mod verification;
