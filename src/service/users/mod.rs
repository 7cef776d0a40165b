//! Users: finding, saving and deleting them, and their login names.

pub(crate) mod directory;
pub(crate) mod names;
pub(crate) mod saving;
pub(crate) mod writer;
