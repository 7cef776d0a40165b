//! The User agent: one file for each of its operations.

pub(in crate::http) mod credential_types;
pub(in crate::http) mod save_credential;
