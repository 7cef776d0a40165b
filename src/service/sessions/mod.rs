//! Tickets and sessions: issuing, listing and revoking them, and signing in and out with a browser.

pub(crate) mod errors;
mod proof;
pub(crate) mod required_change;
pub(crate) mod sign_in;
pub(crate) mod ticket_logins;
pub(crate) mod tickets;
