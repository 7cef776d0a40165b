//! Pages for browsers: sign-in, self-service, a new password, and documentation. They work without
//! scripts, and load nothing from other hosts.
//!
//! A page for signed-in users has the access `Page`. Its template extends `templates/layout.html`,
//! whose context is a [`frame::PageFrame`]; [`forms`] writes its forms.

pub(super) mod account;
pub(super) mod admin;
pub(super) mod assets;
mod audit_words;
pub(super) mod docs;
pub(super) mod error_page;
mod field;
pub(super) mod forgotten;
mod forms;
mod frame;
#[cfg(feature = "fuzz")]
pub(super) mod fuzz_support;
pub(super) mod html;
pub(super) mod login;
pub(super) mod logout;
mod moment;
mod navigation;
pub(super) mod new_password;
mod notices;
mod own_page;
mod page_form;
mod page_path;
pub(super) mod page_session;
mod password_rules;
mod plot;
pub(super) mod required_change;
mod resume;
mod return_to;
mod returning;
pub(super) mod secret_url;
mod typed_user_name;
mod words;
