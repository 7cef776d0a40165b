//! The pages of administrators: the list of users, the pages of one user, the audit log, and the
//! activity. Each form runs the same use case as its call of the API, which decides about rights.

mod action_form;
pub(in crate::http) mod activity;
mod activity_plots;
mod audit_filter;
pub(in crate::http) mod audit_trail;
pub(in crate::http) mod change_user;
pub(in crate::http) mod credential_actions;
mod credential_form;
mod credential_of_page;
mod credential_types;
pub(in crate::http) mod delete_user;
pub(in crate::http) mod export_users;
mod form_id;
mod form_page;
#[cfg(feature = "fuzz")]
pub(in crate::http) mod fuzz_support;
pub(in crate::http) mod generate_password;
mod generated;
pub(in crate::http) mod import;
pub(in crate::http) mod new_user;
mod proof;
mod recent_events;
pub(in crate::http) mod retire_user;
mod rights;
pub(in crate::http) mod routes;
pub(in crate::http) mod save_credential;
mod search;
mod subject;
pub(in crate::http) mod unlock_user;
pub(in crate::http) mod user;
mod user_fields;
pub(in crate::http) mod user_tickets;
pub(in crate::http) mod users;
mod views;
