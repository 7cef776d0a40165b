//! Credentials: saving, marking, expiring, deleting, verifying and rehashing them, and the password
//! policy.

pub(crate) mod change_requirements;
pub(crate) mod deletion;
pub(crate) mod expiry;
pub(crate) mod hasher;
pub(crate) mod last_uses;
pub(crate) mod list_check;
pub(crate) mod other_value;
pub(crate) mod password_checker;
pub(crate) mod passwords;
pub(crate) mod rehashing;
pub(crate) mod repeated;
pub(crate) mod saving;
pub(crate) mod writer;
