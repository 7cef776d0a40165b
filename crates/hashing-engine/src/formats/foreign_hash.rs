//! Hashes that other systems computed, and that are strong enough to be stored as they are.
//!
//! A text is parsed once, into the input of its verifier, so every accepted hash can be verified.
//! `docs/reference/import-format.md` lists the families.

use std::fmt;

use argon2::{Algorithm, Block, Params, Version};
use secrecy::{ExposeSecret, SecretString};

use super::{
    super::hash_parameters::{HashParameters, HashScheme},
    argon2_text::Argon2Hash,
    bcrypt_text::BcryptHash,
    crypt_text,
    function_output::FunctionOutput,
    hash_function::HashFunction,
    pbkdf2_text,
    rejection::HashRejection,
    scheme_prefix::{self, Unprefixed},
    scrypt_text::{self, ScryptHash},
    wrapped_hash::WeakHash,
};

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
    Bcrypt(BcryptHash),
    Function(FunctionOutput),
    Scrypt(ScryptHash),
    Argon2(Argon2Hash),
}

/// A hash of another system: strong enough to be stored as it is, or not.
pub(super) enum ParsedForeign {
    Strong(ForeignHash),
    Weak(WeakHash),
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
    pub(super) fn parse(text: &SecretString) -> Result<ParsedForeign, HashRejection> {
        let components = match scheme_prefix::strip(text.expose_secret())? {
            Unprefixed::Digest(digest) => HashComponents::Function(digest),
            Unprefixed::BcryptSha256(bcrypt) => {
                HashComponents::Bcrypt(BcryptHash::parse(bcrypt, true)?)
            }
            Unprefixed::Text(plain) => HashComponents::parse(&plain)?,
        };
        Ok(match components.scheme() {
            Some(scheme) => {
                let (parameters, text) = (components.parameters(), text.clone());
                ParsedForeign::Strong(Self { scheme, parameters, text, components })
            }
            None => ParsedForeign::Weak(components.into_weak()?),
        })
    }

    /// A hash of this scheme and cost that no secret matches, for measurements. `None` when the
    /// cost is not supported, or the scheme is argon2id over a function.
    pub(crate) fn sample(scheme: HashScheme, parameters: HashParameters) -> Option<Self> {
        let HashParameters { memory_kib, iterations, parallelism } = parameters;
        let argon2 = |algorithm| {
            let (salt, output, version) = (vec![0; 16], vec![0; 20], Version::V0x13);
            let params = Params::new(memory_kib, iterations, parallelism, Some(output.len()));
            let params = params.ok()?;
            Some(HashComponents::Argon2(Argon2Hash { algorithm, version, params, salt, output }))
        };
        let components = match scheme {
            HashScheme::Argon2id => argon2(Algorithm::Argon2id)?,
            HashScheme::Argon2i => argon2(Algorithm::Argon2i)?,
            HashScheme::Argon2d => argon2(Algorithm::Argon2d)?,
            HashScheme::Bcrypt | HashScheme::BcryptSha256 => {
                let is_over_sha256 = scheme == HashScheme::BcryptSha256;
                HashComponents::Bcrypt(BcryptHash::sample(iterations, is_over_sha256))
            }
            HashScheme::Scrypt | HashScheme::FirebaseScrypt => {
                HashComponents::Scrypt(ScryptHash::sample(parameters)?)
            }
            HashScheme::Pbkdf2Sha1
            | HashScheme::Pbkdf2Sha256
            | HashScheme::Pbkdf2Sha512
            | HashScheme::Sha256Crypt
            | HashScheme::Sha512Crypt => {
                let function = HashFunction::sample(scheme, iterations)?;
                let output = vec![0; function.length()];
                HashComponents::Function(FunctionOutput { function, output })
            }
            HashScheme::OverDigest
            | HashScheme::OverMd5Crypt
            | HashScheme::OverShaCrypt
            | HashScheme::OverPhpass
            | HashScheme::OverPbkdf2 => return None,
        };
        Some(Self { scheme, parameters, text: SecretString::from(""), components })
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
            HashComponents::Bcrypt(_) | HashComponents::Function(_) | HashComponents::Scrypt(_) => {
                None
            }
        }
    }

    /// True when the hash was computed from this secret.
    pub(crate) fn matches(&self, secret: &[u8], memory: &mut [Block]) -> bool {
        match &self.components {
            HashComponents::Bcrypt(hash) => hash.matches(secret),
            HashComponents::Function(hash) => hash.matches(secret),
            HashComponents::Scrypt(hash) => hash.matches(secret, memory),
            HashComponents::Argon2(hash) => hash.matches(secret, memory),
        }
    }
}

impl HashComponents {
    /// Parses a text without a prefix.
    fn parse(text: &str) -> Result<Self, HashRejection> {
        if text.starts_with("$argon2") {
            return Argon2Hash::parse(text).map(Self::Argon2);
        }
        if let Some(hash) = scrypt_text::parse(text)? {
            return Ok(Self::Scrypt(hash));
        }
        if let Some(hash) = crypt_text::parse(text)? {
            return Ok(Self::Function(hash));
        }
        match pbkdf2_text::parse(text)? {
            Some(hash) => Ok(Self::Function(hash)),
            None => BcryptHash::parse(text, false).map(Self::Bcrypt),
        }
    }

    /// `None` for a function that must be wrapped.
    fn scheme(&self) -> Option<HashScheme> {
        match self {
            Self::Bcrypt(hash) if hash.is_over_sha256() => Some(HashScheme::BcryptSha256),
            Self::Bcrypt(_) => Some(HashScheme::Bcrypt),
            Self::Function(hash) => hash.function.scheme(),
            Self::Scrypt(hash) => Some(hash.scheme()),
            Self::Argon2(hash) => Some(hash.scheme()),
        }
    }

    fn parameters(&self) -> HashParameters {
        match self {
            Self::Bcrypt(hash) => hash.parameters(),
            Self::Function(hash) => {
                let iterations = hash.function.rounds();
                HashParameters { memory_kib: 0, iterations, parallelism: 1 }
            }
            Self::Scrypt(hash) => hash.parameters(),
            Self::Argon2(hash) => hash.parameters(),
        }
    }

    fn into_weak(self) -> Result<WeakHash, HashRejection> {
        match self {
            Self::Function(hash) => Ok(WeakHash::from(hash)),
            Self::Bcrypt(_) | Self::Scrypt(_) | Self::Argon2(_) => Err(HashRejection::Unrecognized),
        }
    }
}
