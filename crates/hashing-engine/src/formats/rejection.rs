//! Reasons to reject a hash of another system.

/// Why a hash of another system is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashRejection {
    /// The text is not a hash in a known format.
    #[error("not a supported hash")]
    Unrecognized,
    /// The format is known and not supported.
    #[error("{0} hashes are not supported; argon2, PBKDF2 and bcrypt are")]
    Unsupported(&'static str),
    /// A `$2x$` hash of bcrypt, computed with a bug that also accepts other passwords.
    #[error("$2x$ hashes are not supported: they also accept other passwords")]
    BrokenBcrypt,
    /// The parameters of argon2 are not exactly m, t and p, or out of range.
    #[error("argon2 needs the parameters m, t and p, each once and in range")]
    InvalidParameters,
    /// The hash needs a key or associated data, which are not stored.
    #[error("keyid and data are not supported")]
    Keyed,
    /// The PHC string format has no padding.
    #[error("the Base64 of a PHC string must not have padding (=)")]
    Padded,
    /// The hash needs more memory than a hashing thread has.
    #[error("the hash needs too much memory")]
    TooMuchMemory,
    /// The hash is too cheap to resist a dictionary attack.
    #[error("the cost of the hash is too low")]
    TooCheap,
    /// One login would keep a hashing thread busy for seconds.
    #[error("the cost of the hash is too high")]
    TooExpensive,
}
