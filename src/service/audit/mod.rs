//! The audit log: reading and verifying the chains of audit events, anchors of their heads, and
//! the stream to sinks.

pub(crate) mod anchors;
pub(crate) mod audit_reader;
pub(crate) mod changed_chains;
pub(crate) mod export_format;
pub(crate) mod stream;
pub(crate) mod verification;
