//! A stored hash, ours or imported.

use std::sync::Arc;

use secrecy::SecretString;

use super::{
    foreign::{ForeignHash, Parts},
    phc::PhcHash,
};
use crate::domain::{
    Reason,
    stored_credential::{HashParameters, HashScheme},
};

/// What bcrypt looks at of a value.
const BCRYPT_BYTES: usize = 72;

/// What a credential is held against.
#[derive(Debug, Clone)]
pub(crate) enum StoredHash {
    /// Made here.
    Own(PhcHash),
    /// Made elsewhere.
    Foreign(Arc<ForeignHash>),
}

impl StoredHash {
    /// Reads a hash.
    ///
    /// # Errors
    /// Says why it is none that can be verified.
    pub(crate) fn parse(text: &SecretString) -> Result<Self, Reason> {
        let foreign = ForeignHash::parse(text)?;
        let own = match &foreign.parts {
            Parts::Argon2(hash) => PhcHash::of(hash),
            Parts::Bcrypt | Parts::Pbkdf2(_) => None,
        };
        Ok(own.map_or_else(|| Self::Foreign(Arc::new(foreign)), Self::Own))
    }

    /// The text that reads as this.
    ///
    /// # Errors
    /// [`Reason::UnknownHash`] for what no text can be; nothing that was read or made is.
    pub(crate) fn to_text(&self) -> Result<SecretString, Reason> {
        match self {
            Self::Own(own) => own.to_phc_string().map_err(|_| Reason::UnknownHash),
            Self::Foreign(foreign) => Ok(foreign.text().clone()),
        }
    }

    /// How it was made.
    pub(crate) fn scheme(&self) -> HashScheme {
        match self {
            Self::Own(_) => HashScheme::Argon2id,
            Self::Foreign(foreign) => foreign.scheme(),
        }
    }

    /// What it cost.
    pub(crate) fn parameters(&self) -> HashParameters {
        match self {
            Self::Own(own) => own.parameters(),
            Self::Foreign(foreign) => foreign.cost(),
        }
    }

    /// True when the hash does not depend on all of a value that long: bcrypt looks at 72 bytes.
    /// Made anew from a value that only begins right, it would keep the right one out.
    pub(crate) fn is_blind_to(&self, value_bytes: usize) -> bool {
        self.scheme() == HashScheme::Bcrypt && value_bytes > BCRYPT_BYTES
    }

    /// Refuses an imported hash that costs too little or too much.
    pub(super) fn check_cost(&self, maximum_memory_kib: u32) -> Result<(), Reason> {
        match self {
            Self::Foreign(foreign) => foreign.check_cost(maximum_memory_kib),
            Self::Own(own) => super::foreign::check_argon2(own.parameters(), maximum_memory_kib),
        }
    }
}
