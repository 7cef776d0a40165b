//! The modular crypt format of bcrypt.

use std::fmt::Write;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{super::hash_parameters::HashParameters, rejection::HashRejection, unsupported};

/// A bcrypt hash that can be verified.
#[derive(Clone)]
pub(super) struct BcryptHash {
    text: SecretString,
    cost: u32,
    /// Django's `bcrypt_sha256` hashes the hexadecimal SHA-256 of the secret, which has 64 bytes.
    is_over_sha256: bool,
}

impl BcryptHash {
    /// Parses `$2b$12$…`, also `2a` and `2y`, which mark bugs that were fixed long ago. `2x` marks
    /// a hash that was computed with such a bug.
    ///
    /// # Errors
    /// When the text is not a bcrypt hash. Names the format if it is known.
    pub(super) fn parse(text: &str, is_over_sha256: bool) -> Result<Self, HashRejection> {
        let is_bcrypt = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
        if !is_bcrypt {
            return Err(unsupported::reject(text));
        }
        let parts: bcrypt::HashParts = text.parse().map_err(|_| HashRejection::Unrecognized)?;
        Ok(Self { text: SecretString::from(text), cost: parts.get_cost(), is_over_sha256 })
    }

    /// A hash that no secret matches, for measurements.
    pub(super) fn sample(cost: u32, is_over_sha256: bool) -> Self {
        let text = SecretString::from(format!("$2b${cost:02}${}", ".".repeat(53)));
        Self { text, cost, is_over_sha256 }
    }

    pub(super) fn is_over_sha256(&self) -> bool {
        self.is_over_sha256
    }

    pub(super) fn parameters(&self) -> HashParameters {
        HashParameters { memory_kib: 0, iterations: self.cost, parallelism: 1 }
    }

    /// True when the hash was computed from this secret.
    pub(super) fn matches(&self, secret: &[u8]) -> bool {
        let text = self.text.expose_secret();
        if !self.is_over_sha256 {
            return bcrypt::verify(secret, text).unwrap_or(false);
        }
        let mut hexadecimal = Zeroizing::new(String::with_capacity(64));
        for byte in Sha256::digest(secret) {
            // A string accepts every text.
            let _ = write!(hexadecimal, "{byte:02x}");
        }
        bcrypt::verify(hexadecimal.as_bytes(), text).unwrap_or(false)
    }
}
