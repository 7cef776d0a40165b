//! Pure values and rules: what a user, a credential and a right are.
//!
//! Nothing here knows a web framework, a database, a clock or randomness, so that it can be read
//! and tested alone. Every type is parsed once and then known to be good.

pub(crate) mod application;
pub(crate) mod attempts;
pub(crate) mod audit;
pub(crate) mod change_context;
pub(crate) mod client_info;
pub(crate) mod credential;
pub(crate) mod credential_type;
pub(crate) mod encoding;
pub(crate) mod host_name;
pub(crate) mod invalid_field;
pub(crate) mod new_login_name;
pub(crate) mod origin_pattern;
pub(crate) mod password_policy;
pub(crate) mod passwords;
pub(crate) mod principal;
pub(crate) mod save_credential;
pub(crate) mod save_user;
pub(crate) mod stored_credential;
pub(crate) mod text;
pub(crate) mod user;
pub(crate) mod validity;

pub(crate) use invalid_field::{InvalidField, Reason};
