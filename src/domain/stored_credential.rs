//! What a credential row holds, as far as verifying it goes.

use super::{user::UserId, validity::Validity};

/// The cost of an argon2id hash (RFC 9106).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HashParameters {
    /// Memory in KiB (RFC 9106's m).
    pub(crate) memory_kib: u32,
    /// Passes over the memory (t).
    pub(crate) iterations: u32,
    /// Lanes (p).
    pub(crate) parallelism: u32,
}

/// The only hash scheme that rests in this database.
pub(crate) const HASH_SCHEME: &str = "argon2id";

/// A sealed row. All that the seal is bound to is here; none of it is believed before it opens.
#[derive(Debug, Clone)]
pub(crate) struct StoredCredential {
    pub(crate) user_id: UserId,
    pub(crate) credential_type: String,
    pub(crate) sealed_hash: Vec<u8>,
    pub(crate) key_id: String,
    pub(crate) hash_parameters: HashParameters,
    /// The sequence of the audit event that wrote it.
    pub(crate) version: i64,
    pub(crate) validity: Validity,
}
