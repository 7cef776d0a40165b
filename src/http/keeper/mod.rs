//! Additions of this service, outside the paths of the vendor's API.

pub(super) mod activity;
pub(super) mod audit_events;
pub(super) mod audit_export;
pub(super) mod audit_query;
pub(super) mod change_required;
pub(super) mod session_proof;
pub(super) mod tickets;
pub(super) mod user_attempts;
pub(super) mod user_role;
pub(super) mod user_tickets;
