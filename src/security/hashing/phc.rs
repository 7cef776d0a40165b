//! Stored hashes as PHC strings, so that any other argon2 implementation can read them.

use argon2::{
    Params, Version,
    password_hash::phc::{Ident, Output, ParamsString, PasswordHash, Salt},
};
use secrecy::SecretString;

use super::{foreign::Argon2Hash, kernel::TAG_LENGTH};
use crate::domain::stored_credential::{HashParameters, HashScheme};

/// The scheme of what is made here.
const SCHEME: &str = "argon2id";

/// Length of a new salt in bytes.
pub(super) const SALT_LENGTH: usize = 16;

/// The version of argon2 that RFC 9106 describes.
const VERSION_1_3: u32 = 19;

/// An argon2id hash with the salt and cost it was made with.
#[derive(Clone)]
pub(crate) struct PhcHash {
    parameters: HashParameters,
    salt: Vec<u8>,
    tag: [u8; TAG_LENGTH],
}

impl std::fmt::Debug for PhcHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PhcHash")
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}

/// What no PHC string can say.
#[derive(Debug, thiserror::Error)]
#[error("the hash does not fit the PHC format")]
pub(crate) struct NotOurHash;

impl PhcHash {
    pub(super) fn new(parameters: HashParameters, salt: Vec<u8>, tag: [u8; TAG_LENGTH]) -> Self {
        Self { parameters, salt, tag }
    }

    /// The same hash, if it is one as we make them: argon2id v1.3 with a 32-byte tag.
    pub(super) fn of(hash: &Argon2Hash) -> Option<Self> {
        if hash.scheme() != HashScheme::Argon2id || hash.version != Version::V0x13 {
            return None;
        }
        let tag = hash.output.as_slice().try_into().ok()?;
        Some(Self { parameters: hash.cost(), salt: hash.salt.clone(), tag })
    }

    /// The PHC string.
    ///
    /// # Errors
    /// When salt or cost do not fit the format; those we make do.
    pub(crate) fn to_phc_string(&self) -> Result<SecretString, NotOurHash> {
        let HashParameters { memory_kib, iterations, parallelism } = self.parameters;
        let params = Params::new(memory_kib, iterations, parallelism, Some(TAG_LENGTH))
            .map_err(|_| NotOurHash)?;
        let hash = PasswordHash {
            algorithm: Ident::new(SCHEME).map_err(|_| NotOurHash)?,
            version: Some(VERSION_1_3),
            params: ParamsString::try_from(&params).map_err(|_| NotOurHash)?,
            salt: Some(Salt::new(&self.salt).map_err(|_| NotOurHash)?),
            hash: Some(Output::new(&self.tag).map_err(|_| NotOurHash)?),
        };
        Ok(SecretString::from(hash.to_string()))
    }

    /// The cost it was made with.
    pub(crate) fn parameters(&self) -> HashParameters {
        self.parameters
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(super) fn tag(&self) -> &[u8] {
        &self.tag
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn parse(text: &str) -> Option<PhcHash> {
        PhcHash::of(&Argon2Hash::parse(text).ok()?)
    }

    const PARAMETERS: HashParameters =
        HashParameters { memory_kib: 64, iterations: 3, parallelism: 1 };

    #[test]
    fn a_hash_reads_back_from_its_phc_string() {
        let hash = PhcHash::new(PARAMETERS, vec![7; SALT_LENGTH], [9; TAG_LENGTH]);
        let text = hash.to_phc_string().unwrap();
        assert!(text.expose_secret().starts_with("$argon2id$v=19$m=64,t=3,p=1$"));
        let read = parse(text.expose_secret()).unwrap();
        assert_eq!((read.parameters, read.salt, read.tag), (hash.parameters, hash.salt, hash.tag));
    }

    #[test]
    fn other_schemes_versions_and_lengths_are_not_ours() {
        let hash = PhcHash::new(PARAMETERS, vec![7; SALT_LENGTH], [9; TAG_LENGTH]);
        let text = hash.to_phc_string().unwrap();
        let text = text.expose_secret();
        for other in [
            text.replace("argon2id", "argon2i"),
            text.replace("v=19", "v=16"),
            text.replace("m=64", "m=1"),
            text[..text.len() - 20].to_owned(),
            text[..text.rfind('$').unwrap()].to_owned(),
            String::new(),
        ] {
            assert!(parse(&other).is_none(), "{other}");
        }
    }
}
