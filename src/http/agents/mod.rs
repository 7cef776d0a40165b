//! The vendor's agents.

pub(super) mod user;
