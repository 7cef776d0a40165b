//! Tells hashes from passwords, and names the reason for a rejected hash.

use hashing_engine::{AcceptedHash, DES_CRYPT, HashRejection};
use secrecy::SecretString;

use crate::domain::Reason;

/// What a text is that should be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextKind {
    Password,
    /// A hash, also one that is not supported.
    Hash,
    /// A password, or a hash of DES-crypt, which is 13 letters and digits.
    PossibleHash,
}

/// Tells a hash from a password.
pub(crate) fn text_kind(text: &SecretString) -> TextKind {
    match AcceptedHash::parse(text) {
        Err(HashRejection::Unrecognized) => TextKind::Password,
        Err(HashRejection::Unsupported(DES_CRYPT)) => TextKind::PossibleHash,
        Ok(_) | Err(_) => TextKind::Hash,
    }
}

impl From<HashRejection> for Reason {
    fn from(rejection: HashRejection) -> Self {
        match rejection {
            HashRejection::Unrecognized => Self::UnknownHash,
            HashRejection::Unsupported(name) => Self::UnsupportedHash(name),
            HashRejection::BrokenBcrypt => Self::BrokenBcrypt,
            HashRejection::InvalidParameters(names) => Self::HashParameters(names),
            HashRejection::Keyed => Self::KeyedHash,
            HashRejection::Padded => Self::PaddedHash,
            HashRejection::TooMuchMemory(family) => Self::HashTooMuchMemory(family),
            HashRejection::TooCheap(minimum) => Self::HashTooCheap(minimum),
            HashRejection::TooExpensive(maximum) => Self::HashTooExpensive(maximum),
        }
    }
}
