//! The agents of the vendor's API.

pub(super) mod description;
pub(super) mod user;
