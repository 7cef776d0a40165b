//! Hashes of this engine as PHC strings, which every argon2 implementation can read.

use argon2::{
    Params, Version,
    password_hash::phc::{Ident, Output, ParamsString, PasswordHash, Salt},
};
use secrecy::SecretString;

use super::{
    super::{
        hash_parameters::{HashParameters, HashScheme},
        kernel::TAG_LENGTH,
    },
    argon2_text::Argon2Hash,
};

/// The algorithm of new hashes.
const SCHEME: &str = "argon2id";

/// Length of a new salt in bytes.
pub(crate) const SALT_LENGTH: usize = 16;

/// The version of argon2 in RFC 9106.
const VERSION_1_3: u32 = 19;

/// An argon2id hash with its salt and parameters.
#[derive(Clone)]
pub struct PhcHash {
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

/// A salt or parameters that the PHC string format does not allow.
#[derive(Debug, thiserror::Error)]
#[error("the hash cannot be written as a PHC string")]
pub struct NotPhc;

impl PhcHash {
    /// A hash that was computed with these parameters and this salt.
    pub(crate) fn new(parameters: HashParameters, salt: Vec<u8>, tag: [u8; TAG_LENGTH]) -> Self {
        Self { parameters, salt, tag }
    }

    /// The same hash, if it has the form of a new one: argon2id v1.3 with a 32-byte tag.
    pub(crate) fn from_argon2(hash: &Argon2Hash) -> Option<Self> {
        if hash.scheme() != HashScheme::Argon2id || hash.version != Version::V0x13 {
            return None;
        }
        let tag = hash.output.as_slice().try_into().ok()?;
        Some(Self { parameters: hash.parameters(), salt: hash.salt.clone(), tag })
    }

    /// Formats the hash as a PHC string.
    ///
    /// # Errors
    /// When the format does not allow the salt or the parameters. It allows those of new hashes.
    pub fn to_phc_string(&self) -> Result<SecretString, NotPhc> {
        let HashParameters { memory_kib, iterations, parallelism } = self.parameters;
        let params = Params::new(memory_kib, iterations, parallelism, Some(TAG_LENGTH))
            .map_err(|_| NotPhc)?;
        let hash = PasswordHash {
            algorithm: Ident::new(SCHEME).map_err(|_| NotPhc)?,
            version: Some(VERSION_1_3),
            params: ParamsString::try_from(&params).map_err(|_| NotPhc)?,
            salt: Some(Salt::new(&self.salt).map_err(|_| NotPhc)?),
            hash: Some(Output::new(&self.tag).map_err(|_| NotPhc)?),
        };
        Ok(SecretString::from(hash.to_string()))
    }

    /// The cost parameters.
    #[must_use]
    pub fn parameters(&self) -> HashParameters {
        self.parameters
    }

    /// The salt.
    pub(crate) fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// The output of argon2id.
    pub(crate) fn tag(&self) -> &[u8] {
        &self.tag
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn parse(text: &str) -> Option<PhcHash> {
        PhcHash::from_argon2(&Argon2Hash::parse(text).ok()?)
    }

    const PARAMETERS: HashParameters =
        HashParameters { memory_kib: 64, iterations: 3, parallelism: 1 };

    #[test]
    fn a_hash_round_trips_through_its_phc_string() {
        let hash = PhcHash::new(PARAMETERS, vec![7; SALT_LENGTH], [9; TAG_LENGTH]);
        let text = hash.to_phc_string().unwrap();
        assert!(text.expose_secret().starts_with("$argon2id$v=19$m=64,t=3,p=1$"));
        let read = parse(text.expose_secret()).unwrap();
        assert_eq!((read.parameters, read.salt, read.tag), (hash.parameters, hash.salt, hash.tag));
    }

    #[test]
    fn other_schemes_versions_and_lengths_are_foreign() {
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
