//! What a credential row holds, as far as verifying it goes.

use super::{user::UserId, validity::Validity};

/// The cost of a hash, in the terms of argon2 (RFC 9106). Of bcrypt, the iterations are its cost, and
/// of PBKDF2 its rounds; neither has memory that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HashParameters {
    /// Memory in KiB (RFC 9106's m).
    pub(crate) memory_kib: u32,
    /// Passes over the memory (t).
    pub(crate) iterations: u32,
    /// Lanes (p).
    pub(crate) parallelism: u32,
}

impl HashParameters {
    /// The blocks that argon2 fills, each of a KiB; none for what is not argon2.
    pub(crate) fn blocks(self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.iterations)
    }
}

/// How a stored hash was made. New ones are argon2id; the others were imported, and are made anew
/// when their owner logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HashScheme {
    Argon2id,
    Argon2i,
    Argon2d,
    Bcrypt,
    Pbkdf2Sha1,
    Pbkdf2Sha256,
    Pbkdf2Sha512,
}

impl HashScheme {
    /// Every scheme.
    pub(crate) const ALL: [Self; 7] = [
        Self::Argon2id,
        Self::Argon2i,
        Self::Argon2d,
        Self::Bcrypt,
        Self::Pbkdf2Sha1,
        Self::Pbkdf2Sha256,
        Self::Pbkdf2Sha512,
    ];

    /// The stored spelling, which is also that of the PHC format.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Argon2id => "argon2id",
            Self::Argon2i => "argon2i",
            Self::Argon2d => "argon2d",
            Self::Bcrypt => "bcrypt",
            Self::Pbkdf2Sha1 => "pbkdf2-sha1",
            Self::Pbkdf2Sha256 => "pbkdf2-sha256",
            Self::Pbkdf2Sha512 => "pbkdf2-sha512",
        }
    }

    /// The scheme of that spelling.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == text)
    }
}

/// A sealed row. All that the seal is bound to is here; none of it is believed before it opens.
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
}
