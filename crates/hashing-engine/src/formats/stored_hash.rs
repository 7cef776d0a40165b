//! A stored hash: computed by this engine or by another system, or wrapped by this engine.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::{
    super::{
        hash_parameters::{HashParameters, HashScheme},
        secret_forms::SecretForms,
    },
    cost_limits,
    foreign_hash::{ForeignHash, ParsedForeign},
    phc::{NotPhc, PhcHash},
    rejection::HashRejection,
    wrapped_hash::{WeakHash, WrappedHash},
};

/// The longest text of a hash, in bytes.
const MAXIMUM_TEXT: usize = 768;

/// bcrypt reads this many bytes of a secret.
const BCRYPT_BYTES: usize = 72;

/// A stored hash.
#[derive(Debug, Clone)]
pub enum StoredHash {
    /// Has the form of a new hash.
    Own(PhcHash),
    /// Was computed by another system.
    Foreign(Arc<ForeignHash>),
    /// Is argon2id over the output of a function of another system.
    Wrapped(Arc<WrappedHash>),
}

impl StoredHash {
    /// Parses a hash.
    ///
    /// # Errors
    /// When the hash cannot be verified, or is weak: such a hash is never stored.
    pub fn parse(text: &SecretString) -> Result<Self, HashRejection> {
        match AcceptedHash::parse(text)? {
            AcceptedHash::Stored(hash) => Ok(hash),
            AcceptedHash::Weak(_) => Err(HashRejection::Unrecognized),
        }
    }

    /// Formats the hash so that [`Self::parse`] reads it.
    ///
    /// # Errors
    /// Never for a hash that was parsed or computed.
    pub fn to_text(&self) -> Result<SecretString, NotPhc> {
        match self {
            Self::Own(own) => own.to_phc_string(),
            Self::Foreign(foreign) => Ok(foreign.text().clone()),
            Self::Wrapped(wrapped) => wrapped.to_text(),
        }
    }

    /// The algorithm.
    #[must_use]
    pub fn scheme(&self) -> HashScheme {
        match self {
            Self::Own(_) => HashScheme::Argon2id,
            Self::Foreign(foreign) => foreign.scheme(),
            Self::Wrapped(wrapped) => wrapped.scheme(),
        }
    }

    /// The cost parameters.
    #[must_use]
    pub fn parameters(&self) -> HashParameters {
        match self {
            Self::Own(own) => own.parameters(),
            Self::Foreign(foreign) => foreign.parameters(),
            Self::Wrapped(wrapped) => wrapped.outer().parameters(),
        }
    }

    /// True when a secret that matches may be a prefix of the right one. If the prefix were
    /// rehashed, the right secret would no longer match.
    ///
    /// bcrypt reads 72 bytes, including a NUL at the end of a shorter secret, so only a secret that
    /// fills them can be a prefix.
    #[must_use]
    pub fn may_truncate(&self, secret: SecretForms<'_>) -> bool {
        self.scheme() == HashScheme::Bcrypt && secret.longest() >= BCRYPT_BYTES
    }

    /// Rejects a hash that costs too little or too much where new hashes have the cost `new`.
    pub(crate) fn check_cost(
        &self,
        maximum_memory_kib: u32,
        new: HashParameters,
    ) -> Result<(), HashRejection> {
        cost_limits::check_cost(self.scheme(), self.parameters(), maximum_memory_kib)?;
        match self {
            Self::Wrapped(wrapped) => cost_limits::check_outer(self.parameters(), new)
                .and_then(|()| wrapped.check_function()),
            Self::Own(_) | Self::Foreign(_) => Ok(()),
        }
    }
}

/// A hash that can be verified.
#[derive(Debug, Clone)]
pub enum AcceptedHash {
    /// It may be stored as it is.
    Stored(StoredHash),
    /// It is fast or weak, so it is stored wrapped in argon2id.
    Weak(WeakHash),
}

impl AcceptedHash {
    /// Parses a hash.
    ///
    /// # Errors
    /// When the hash cannot be verified.
    pub fn parse(text: &SecretString) -> Result<Self, HashRejection> {
        let plain = text.expose_secret();
        if plain.len() > MAXIMUM_TEXT {
            return Err(HashRejection::Unrecognized);
        }
        if let Some(wrapped) = WrappedHash::parse(plain)? {
            return Ok(Self::Stored(StoredHash::Wrapped(Arc::new(wrapped))));
        }
        Ok(match ForeignHash::parse(text)? {
            ParsedForeign::Weak(weak) => Self::Weak(weak),
            ParsedForeign::Strong(foreign) => {
                let own = foreign.argon2().and_then(PhcHash::from_argon2);
                let own = own.map(StoredHash::Own);
                Self::Stored(own.unwrap_or_else(|| StoredHash::Foreign(Arc::new(foreign))))
            }
        })
    }

    /// Rejects a hash that costs too little or too much where new hashes have the cost `new`.
    /// Nothing is computed.
    pub(crate) fn check_cost(
        &self,
        maximum_memory_kib: u32,
        new: HashParameters,
    ) -> Result<(), HashRejection> {
        match self {
            Self::Stored(hash) => hash.check_cost(maximum_memory_kib, new),
            Self::Weak(weak) => cost_limits::check_function(weak.function()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bcrypt_may_truncate_a_secret_of_72_bytes_and_pbkdf2_none() {
        let text = "$2b$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe";
        let bcrypt = StoredHash::parse(&SecretString::from(text)).unwrap();
        let text = "pbkdf2_sha1$26000$Django5Salt$9QUCimG0W8iLrVjlN/vlrBn0GeM=";
        let pbkdf2 = StoredHash::parse(&SecretString::from(text)).unwrap();
        for (length, other_length, expected) in [
            (71, None, false),
            (72, None, true),
            (73, None, true),
            (71, Some(72), true),
            (70, Some(71), false),
        ] {
            let (text, other) = ("a".repeat(length), other_length.map(|length| "a".repeat(length)));
            let secret = SecretForms {
                secret: text.as_bytes(),
                other_form: other.as_ref().map(String::as_bytes),
            };
            assert_eq!(bcrypt.may_truncate(secret), expected, "{length}, {other_length:?}");
            assert!(!pbkdf2.may_truncate(secret));
        }
    }
}
