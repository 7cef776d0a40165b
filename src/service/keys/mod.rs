//! Keys: checking the keyring against the database, and rotating its keys.

pub(crate) mod backup;
pub(crate) mod keyring_check;
pub(crate) mod rotation;
