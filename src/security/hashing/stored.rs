//! A stored hash, ours or imported.

use std::sync::Arc;

use secrecy::SecretString;

use super::{
    foreign::{ForeignHash, HashComponents},
    phc::PhcHash,
};
use crate::domain::{
    Reason,
    credential::CredentialValue,
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
            HashComponents::Argon2(hash) => PhcHash::of(hash),
            HashComponents::Bcrypt | HashComponents::Pbkdf2(_) => None,
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

    /// True when a value that matches may be only the beginning of the right one. Made anew from that,
    /// the hash would keep the right one out.
    ///
    /// bcrypt looks at 72 bytes: a value that fills them may go on. A shorter one ends with a NUL,
    /// which is hashed too and which no value has, so it is the whole.
    pub(crate) fn may_be_of_more_than(&self, value: &CredentialValue) -> bool {
        let longest = value.bytes().max(value.decomposed().map_or(0, |other| other.bytes()));
        self.scheme() == HashScheme::Bcrypt && longest >= BCRYPT_BYTES
    }

    /// Refuses an imported hash that costs too little or too much.
    pub(super) fn check_cost(&self, maximum_memory_kib: u32) -> Result<(), Reason> {
        match self {
            Self::Foreign(foreign) => foreign.check_cost(maximum_memory_kib),
            Self::Own(own) => super::foreign::check_argon2(own.parameters(), maximum_memory_kib),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fills_all_that_bcrypt_looks_at_may_go_on() {
        let text = "$2b$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe";
        let bcrypt = StoredHash::parse(&SecretString::from(text)).unwrap();
        let text = "pbkdf2_sha1$26000$Django5Salt$9QUCimG0W8iLrVjlN/vlrBn0GeM=";
        let pbkdf2 = StoredHash::parse(&SecretString::from(text)).unwrap();
        let of = |text: String| CredentialValue::parse("f", &SecretString::from(text)).unwrap();
        for (text, expected) in [
            ("a".repeat(71), false),
            ("a".repeat(72), true),
            ("a".repeat(73), true),
            // 71 bytes as they are, one more when decomposed.
            (format!("{}é", "a".repeat(69)), true),
            (format!("{}é", "a".repeat(68)), false),
        ] {
            let value = of(text);
            assert_eq!(bcrypt.may_be_of_more_than(&value), expected, "{}", value.bytes());
            assert!(!pbkdf2.may_be_of_more_than(&value));
        }
    }
}
