//! The User agent. Each file has one operation or a group of similar operations.

pub(in crate::http) mod change_password;
pub(in crate::http) mod credential_types;
pub(in crate::http) mod default_user;
pub(in crate::http) mod delete_credential;
pub(in crate::http) mod directory;
mod external_user_parts;
pub(in crate::http) mod external_users;
pub(in crate::http) mod get_access_token;
pub(in crate::http) mod get_user;
pub(in crate::http) mod named_user;
pub(in crate::http) mod password_mail;
pub(in crate::http) mod resolve_user;
pub(in crate::http) mod retire_user;
pub(in crate::http) mod routes;
pub(in crate::http) mod save_credential;
pub(in crate::http) mod save_user;
pub(in crate::http) mod set_password;
pub(in crate::http) mod untrusted_credentials;
pub(in crate::http) mod user_carrier;
pub(in crate::http) mod user_names;
pub(in crate::http) mod validity;
