//! Argon2 as a PHC string, of any system: the parameters m, t and p, each once and in any order, and
//! nothing that the verifier would need and does not have.

use argon2::{Algorithm, MIN_SALT_LEN, Params, Version, password_hash::phc::PasswordHash};

use crate::domain::{
    Reason,
    stored_credential::{HashParameters, HashScheme},
};

/// The first version, which had no name for itself.
const VERSION_1_0: u32 = 16;

/// A hash that can be verified.
#[derive(Clone)]
pub(in crate::security::hashing) struct Argon2Hash {
    pub(in crate::security::hashing) algorithm: Algorithm,
    pub(in crate::security::hashing) version: Version,
    pub(in crate::security::hashing) params: Params,
    pub(in crate::security::hashing) salt: Vec<u8>,
    pub(in crate::security::hashing) output: Vec<u8>,
}

impl Argon2Hash {
    /// Reads `$argon2id$v=19$m=…,t=…,p=…$salt$output`, and without a version the first one.
    ///
    /// # Errors
    /// Says what is missing or not supported.
    pub(in crate::security::hashing) fn parse(text: &str) -> Result<Self, Reason> {
        check_fields(text)?;
        let hash = PasswordHash::new(text).map_err(|_| Reason::UnknownHash)?;
        let algorithm = match hash.algorithm.as_str() {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            "argon2d" => Algorithm::Argon2d,
            _ => return Err(Reason::UnknownHash),
        };
        let version = Version::try_from(hash.version.unwrap_or(VERSION_1_0));
        let version = version.map_err(|_| Reason::UnknownHash)?;
        let params = Params::try_from(&hash).map_err(|_| Reason::HashParameters)?;
        let salt = hash.salt.ok_or(Reason::UnknownHash)?.as_ref().to_vec();
        let output = hash.hash.ok_or(Reason::UnknownHash)?.as_bytes().to_vec();
        if salt.len() < MIN_SALT_LEN {
            return Err(Reason::UnknownHash);
        }
        Ok(Self { algorithm, version, params, salt, output })
    }

    /// How it was made.
    pub(in crate::security::hashing) fn scheme(&self) -> HashScheme {
        match self.algorithm {
            Algorithm::Argon2id => HashScheme::Argon2id,
            Algorithm::Argon2i => HashScheme::Argon2i,
            Algorithm::Argon2d => HashScheme::Argon2d,
        }
    }

    /// What it cost.
    pub(in crate::security::hashing) fn cost(&self) -> HashParameters {
        HashParameters {
            memory_kib: self.params.m_cost(),
            iterations: self.params.t_cost(),
            parallelism: self.params.p_cost(),
        }
    }
}

/// Checks the fields that the library accepts without a word, or refuses without a reason: it
/// replaces a missing parameter by its own default, and accepts a key and data that only the system
/// that made the hash has.
fn check_fields(text: &str) -> Result<(), Reason> {
    let fields: Vec<_> = text.split('$').skip(2).filter(|of| !of.starts_with("v=")).collect();
    let [parameters, rest @ ..] = fields.as_slice() else { return Err(Reason::UnknownHash) };
    let mut names: Vec<_> =
        parameters.split(',').map(|of| of.split('=').next().unwrap_or_default()).collect();
    if names.iter().any(|name| ["keyid", "data"].contains(name)) {
        return Err(Reason::KeyedHash);
    }
    names.sort_unstable();
    if names != ["m", "p", "t"] {
        return Err(Reason::HashParameters);
    }
    if rest.iter().any(|of| of.contains('=')) { Err(Reason::PaddedHash) } else { Ok(()) }
}
