//! Users: finding, saving and deleting them, and their names.

pub(in crate::service) mod changes;
pub(crate) mod directory;
mod external;
mod generated;
mod last_administrator;
mod licenses;
pub(crate) mod names;
pub(crate) mod overview;
pub(crate) mod resolving;
pub(crate) mod saving;
mod validation;
pub(crate) mod writer;
