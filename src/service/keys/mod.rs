//! The keyring and the rotation of its keys.

pub(crate) mod rotation;
