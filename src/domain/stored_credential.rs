//! The fields of a stored credential that its verification needs.
//!
//! `HashParameters` and `HashScheme` are those of the hashing engine. They are plain values without
//! behavior, so the domain re-exports them instead of copying them and converting at every
//! boundary. The domain uses nothing else of that crate.

pub(crate) use hashing_engine::{HashParameters, HashScheme};

use super::{change_cause::ChangeCause, user::UserId, validity::Validity};

/// A row with a sealed hash. The seal covers every field; none is trusted before it is unsealed.
#[derive(Debug, Clone)]
pub(crate) struct StoredCredential {
    pub(crate) user_id: UserId,
    pub(crate) credential_type: String,
    pub(crate) sealed_hash: Vec<u8>,
    pub(crate) key_id: String,
    pub(crate) hash_scheme: HashScheme,
    pub(crate) hash_parameters: HashParameters,
    /// The sequence of the audit event that wrote it.
    pub(crate) version: i64,
    pub(crate) validity: Validity,
    /// `Some`: the credential proves its owner for a change of its value, and for nothing else.
    pub(crate) change_required: Option<ChangeCause>,
}
