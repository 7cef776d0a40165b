//! The User agent.

mod identifiers;
mod rights;
mod save_credential;
mod save_credential_refusals;
