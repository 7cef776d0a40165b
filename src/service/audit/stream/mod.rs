//! The audit stream: delivers every audit event to the sinks of `audit.sinks`
//! ([ADR 84](../../../../docs/adr/0084-audit-stream.md)).

mod copied_sequences;
pub(crate) mod copy_verification;
pub(crate) mod delivery;
pub(crate) mod metrics;
pub(crate) mod positions;
pub(crate) mod pressure;
mod sink_task;
