//! Reasons to reject a hash of another system.

/// Why a hash of another system is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashRejection {
    /// The text is not a hash in a known format.
    #[error("not a supported hash")]
    Unrecognized,
    /// The format is known and not supported.
    #[error("{0} hashes are not supported")]
    Unsupported(&'static str),
    /// A `$2x$` hash of bcrypt, computed with a bug that also accepts other passwords.
    #[error("$2x$ hashes are not supported: they also accept other passwords")]
    BrokenBcrypt,
    /// The parameters are not exactly these, or out of range.
    #[error("the hash needs the parameters {0}, each once and in range")]
    InvalidParameters(&'static str),
    /// The hash needs a key or associated data, which are not stored.
    #[error("keyid and data are not supported")]
    Keyed,
    /// The PHC string format has no padding.
    #[error("the Base64 of a PHC string must not have padding (=)")]
    Padded,
    /// A hash of this family needs more memory than a hashing thread has.
    #[error("the {0} hash needs too much memory")]
    TooMuchMemory(&'static str),
    /// The hash is too cheap to resist a dictionary attack. This is the minimum, with its family.
    #[error("the cost of the hash is below the minimum: {0}")]
    TooCheap(&'static str),
    /// One login would keep a hashing thread busy for seconds. This is the maximum, with its
    /// family.
    #[error("the cost of the hash is above the maximum: {0}")]
    TooExpensive(&'static str),
}
