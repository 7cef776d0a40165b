//! The vendor's agents.

mod user;
