//! Mails with a link with which a user sets a new password
//! ([ADR 57](../../../docs/adr/0057-password-mails.md)).

pub(crate) mod delivery;
pub(crate) mod links;
pub(crate) mod metrics;
pub(crate) mod recipients;
pub(crate) mod requests;
pub(crate) mod texts;
