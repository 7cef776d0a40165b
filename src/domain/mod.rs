//! Values and rules: users, credentials and rights.
//!
//! Nothing here depends on a web framework, a database, a clock or randomness, so everything can be
//! tested alone. A value is parsed once and is valid from then on.

#[macro_use]
mod stored_enum;

pub(crate) mod action_reason;
pub(crate) mod activity;
pub(crate) mod application;
pub(crate) mod audit;
pub(crate) mod audit_query;
pub(crate) mod audit_stream;
pub(crate) mod change_cause;
pub(crate) mod change_context;
pub(crate) mod client_info;
pub(crate) mod credential;
pub(crate) mod credential_type;
pub(crate) mod database_history;
pub(crate) mod delete_user;
pub(crate) mod device;
pub(crate) mod directory;
pub(crate) mod encoding;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz_support;
pub(crate) mod host_list;
pub(crate) mod host_name;
pub(crate) mod import_run;
pub(crate) mod invalid_field;
pub(crate) mod mail_address;
pub(crate) mod new_login_name;
pub(crate) mod new_user;
pub(crate) mod nick_name;
pub(crate) mod origin_pattern;
pub(crate) mod password_policy;
pub(crate) mod passwords;
pub(crate) mod principal;
pub(crate) mod proof_age;
pub(crate) mod resolve_user;
pub(crate) mod rights;
pub(crate) mod role;
pub(crate) mod save_credential;
pub(crate) mod save_user;
pub(crate) mod smtp_server;
pub(crate) mod stored_credential;
pub(crate) mod text;
pub(crate) mod throttling;
pub(crate) mod transit_path;
pub(crate) mod typed_login;
pub(crate) mod untrusted_credential;
pub(crate) mod user;
pub(crate) mod user_list;
pub(crate) mod validity;
pub(crate) mod vendor_ids;
mod visible_text;

pub(crate) use invalid_field::{InvalidField, Reason};
