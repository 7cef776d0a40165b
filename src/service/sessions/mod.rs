//! Issuing and revoking tickets, and signing in and out with a browser.

pub(crate) mod sign_in;
pub(crate) mod tickets;
