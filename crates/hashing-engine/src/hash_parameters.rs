//! Schemes and cost parameters of password hashes: plain values.

/// The cost of a hash, in the terms of argon2 (RFC 9106).
///
/// For bcrypt, `iterations` is the cost exponent; for PBKDF2, the number of rounds. Neither needs
/// memory that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashParameters {
    /// Memory in KiB (RFC 9106: m).
    pub memory_kib: u32,
    /// Passes over the memory (t).
    pub iterations: u32,
    /// Lanes (p).
    pub parallelism: u32,
}

impl HashParameters {
    /// Number of 1 KiB blocks that argon2 fills. Zero for other schemes.
    #[must_use]
    pub fn blocks(self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.iterations)
    }
}

/// The algorithm of a stored hash. New hashes are argon2id; the others are imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashScheme {
    /// Argon2id (RFC 9106).
    Argon2id,
    /// Argon2i (RFC 9106).
    Argon2i,
    /// Argon2d (RFC 9106).
    Argon2d,
    /// bcrypt.
    Bcrypt,
    /// PBKDF2 (RFC 8018) with HMAC-SHA-1.
    Pbkdf2Sha1,
    /// PBKDF2 with HMAC-SHA-256.
    Pbkdf2Sha256,
    /// PBKDF2 with HMAC-SHA-512.
    Pbkdf2Sha512,
}

impl HashScheme {
    /// Every scheme.
    pub const ALL: [Self; 7] = [
        Self::Argon2id,
        Self::Argon2i,
        Self::Argon2d,
        Self::Bcrypt,
        Self::Pbkdf2Sha1,
        Self::Pbkdf2Sha256,
        Self::Pbkdf2Sha512,
    ];

    /// The identifier that the PHC string format uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
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

    /// The scheme with this identifier.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == text)
    }
}
