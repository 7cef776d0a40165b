//! Saving, deleting, listing and rehashing credentials.

pub(crate) mod deletion;
pub(crate) mod last_uses;
pub(crate) mod password_checker;
pub(crate) mod passwords;
pub(crate) mod rehashing;
pub(crate) mod saving;
pub(crate) mod writing;
