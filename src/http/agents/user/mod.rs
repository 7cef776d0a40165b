//! The User agent: one file for each of its operations.

pub(in crate::http) mod save_credential;
