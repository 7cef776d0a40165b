//! Importing users.

pub(crate) mod bulk;
pub(crate) mod single;
