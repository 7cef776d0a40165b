//! Self-service: what is known about the user who is signed in, and what this user may change.

pub(in crate::http) mod change_password;
pub(in crate::http) mod events;
pub(in crate::http) mod overview;
pub(in crate::http) mod sessions;
