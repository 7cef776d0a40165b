//! Finding, saving and deleting users.

pub(crate) mod directory;
pub(crate) mod names;
pub(crate) mod saving;
