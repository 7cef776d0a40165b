//! Hashes that other systems computed.
//!
//! Supported are argon2 in all variants, bcrypt, and PBKDF2 in the PHC string format and the
//! formats of `passlib` and Django. A text is parsed once, into the input of its verifier, so every
//! accepted hash can be verified.

use std::fmt;

use argon2::{Algorithm, Block, Params, Version};
use secrecy::{ExposeSecret, SecretString};

use super::{
    super::hash_parameters::{HashParameters, HashScheme},
    argon2_text::Argon2Hash,
    bcrypt_text,
    pbkdf2_text::{self, Pbkdf2Hash},
    rejection::HashRejection,
};

/// The longest text of a hash, in bytes.
const MAXIMUM_TEXT: usize = 512;

/// A hash that another system computed.
#[derive(Clone)]
pub struct ForeignHash {
    scheme: HashScheme,
    parameters: HashParameters,
    text: SecretString,
    components: HashComponents,
}

/// The parsed components of each scheme.
#[derive(Clone)]
enum HashComponents {
    /// The library parses the text itself.
    Bcrypt,
    Pbkdf2(Pbkdf2Hash),
    Argon2(Argon2Hash),
}

impl fmt::Debug for ForeignHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ForeignHash")
            .field("scheme", &self.scheme)
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}

impl ForeignHash {
    /// Parses a hash.
    ///
    /// # Errors
    /// When the hash cannot be verified.
    pub(crate) fn parse(text: &SecretString) -> Result<Self, HashRejection> {
        let plain = text.expose_secret();
        if plain.len() > MAXIMUM_TEXT {
            return Err(HashRejection::Unrecognized);
        }
        let (scheme, parameters, components) = if plain.starts_with("$argon2") {
            let hash = Argon2Hash::parse(plain)?;
            (hash.scheme(), hash.parameters(), HashComponents::Argon2(hash))
        } else if let Some(hash) = pbkdf2_text::parse(plain)? {
            (hash.scheme, hash.parameters(), HashComponents::Pbkdf2(hash))
        } else {
            (HashScheme::Bcrypt, bcrypt_text::parse_cost(plain)?, HashComponents::Bcrypt)
        };
        Ok(Self { scheme, parameters, text: text.clone(), components })
    }

    /// A hash of this scheme and cost that no secret matches, for measurements.
    pub(crate) fn sample(scheme: HashScheme, parameters: HashParameters) -> Self {
        let algorithm = match scheme {
            HashScheme::Argon2i => Some(Algorithm::Argon2i),
            HashScheme::Argon2d => Some(Algorithm::Argon2d),
            HashScheme::Argon2id => Some(Algorithm::Argon2id),
            HashScheme::Bcrypt
            | HashScheme::Pbkdf2Sha1
            | HashScheme::Pbkdf2Sha256
            | HashScheme::Pbkdf2Sha512 => None,
        };
        let (salt, output) = (vec![0; 16], vec![0; 20]);
        let HashParameters { memory_kib, iterations, parallelism } = parameters;
        // Stored hashes have parameters that argon2 supports.
        let params = Params::new(memory_kib, iterations, parallelism, Some(output.len()));
        let params = params.unwrap_or_default();
        let components = match algorithm {
            Some(algorithm) => {
                let version = Version::V0x13;
                HashComponents::Argon2(Argon2Hash { algorithm, version, params, salt, output })
            }
            None if scheme == HashScheme::Bcrypt => HashComponents::Bcrypt,
            None => HashComponents::Pbkdf2(Pbkdf2Hash { scheme, rounds: iterations, salt, output }),
        };
        let text = SecretString::from(format!("$2b${iterations:02}${}", ".".repeat(53)));
        Self { scheme, parameters, text, components }
    }

    /// The algorithm.
    #[must_use]
    pub fn scheme(&self) -> HashScheme {
        self.scheme
    }

    /// The cost parameters.
    #[must_use]
    pub fn parameters(&self) -> HashParameters {
        self.parameters
    }

    /// The text as the other system wrote it.
    #[must_use]
    pub fn text(&self) -> &SecretString {
        &self.text
    }

    /// The components of an argon2 hash.
    pub(super) fn argon2(&self) -> Option<&Argon2Hash> {
        match &self.components {
            HashComponents::Argon2(hash) => Some(hash),
            HashComponents::Bcrypt | HashComponents::Pbkdf2(_) => None,
        }
    }

    /// True when the hash was computed from this secret.
    pub(crate) fn matches(&self, secret: &[u8], memory: &mut [Block]) -> bool {
        match &self.components {
            HashComponents::Bcrypt => bcrypt_text::matches(self.text.expose_secret(), secret),
            HashComponents::Pbkdf2(hash) => hash.matches(secret),
            HashComponents::Argon2(hash) => hash.matches(secret, memory),
        }
    }
}
