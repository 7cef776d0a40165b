//! Pages for people: their sessions, forms, errors and contents.

pub(crate) mod admin_browser;
mod admin_changes;
mod admin_credentials;
mod admin_rights;
mod admin_sensitive;
mod admin_user;
mod admin_users;
pub(crate) mod browser;

mod account;
pub(crate) mod contents;
mod errors;
mod exports;
mod interrupted_forms;
mod matrix;
mod repeated_forms;
mod return_to;
pub(crate) mod transfers;
mod transfers_of_oneself;
mod uploads;
