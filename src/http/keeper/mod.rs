//! Our own additions, never mixed into the vendor's tree.

pub(super) mod tickets;
pub(super) mod user_attempts;
pub(super) mod user_tickets;
