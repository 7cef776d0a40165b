//! Untrusted credentials: secrets that users keep for other systems.

pub(crate) mod untrusted;
pub(crate) mod writer;
