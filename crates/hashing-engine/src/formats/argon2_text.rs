//! Argon2 in the PHC string format, including variants that other systems write.

use argon2::{
    Algorithm, Argon2, Block, MIN_SALT_LEN, Params, Version, password_hash::phc::PasswordHash,
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    super::hash_parameters::{HashParameters, HashScheme},
    rejection::HashRejection,
};

/// The first version of argon2, which the format omits.
const VERSION_1_0: u32 = 16;

/// The mandatory parameters.
const PARAMETERS: &str = "m, t, p";

/// An argon2 hash that can be verified.
#[derive(Clone)]
pub(crate) struct Argon2Hash {
    pub(crate) algorithm: Algorithm,
    pub(crate) version: Version,
    pub(crate) params: Params,
    pub(crate) salt: Vec<u8>,
    pub(crate) output: Vec<u8>,
}

impl Argon2Hash {
    /// Parses `$argon2id$v=19$m=…,t=…,p=…$salt$output`. Without `v`, the version is 1.0. The
    /// parameters may have any order.
    ///
    /// # Errors
    /// When a part is missing, repeated or not supported.
    pub(crate) fn parse(text: &str) -> Result<Self, HashRejection> {
        check_fields(text)?;
        let hash = PasswordHash::new(text).map_err(|_| HashRejection::Unrecognized)?;
        let algorithm = match hash.algorithm.as_str() {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            "argon2d" => Algorithm::Argon2d,
            _ => return Err(HashRejection::Unrecognized),
        };
        let version = Version::try_from(hash.version.unwrap_or(VERSION_1_0));
        let version = version.map_err(|_| HashRejection::Unrecognized)?;
        let params =
            Params::try_from(&hash).map_err(|_| HashRejection::InvalidParameters(PARAMETERS))?;
        let salt = hash.salt.ok_or(HashRejection::Unrecognized)?.as_ref().to_vec();
        let output = hash.hash.ok_or(HashRejection::Unrecognized)?.as_bytes().to_vec();
        if salt.len() < MIN_SALT_LEN {
            return Err(HashRejection::Unrecognized);
        }
        Ok(Self { algorithm, version, params, salt, output })
    }

    /// The variant of argon2.
    pub(crate) fn scheme(&self) -> HashScheme {
        match self.algorithm {
            Algorithm::Argon2id => HashScheme::Argon2id,
            Algorithm::Argon2i => HashScheme::Argon2i,
            Algorithm::Argon2d => HashScheme::Argon2d,
        }
    }

    /// The cost parameters.
    pub(crate) fn parameters(&self) -> HashParameters {
        HashParameters {
            memory_kib: self.params.m_cost(),
            iterations: self.params.t_cost(),
            parallelism: self.params.p_cost(),
        }
    }

    /// True when the hash was computed from this secret.
    pub(super) fn matches(&self, secret: &[u8], memory: &mut [Block]) -> bool {
        let output = self.compute(secret, memory);
        output.is_some_and(|output| output.ct_eq(&self.output).into())
    }

    /// `None` when the memory is too small. Parsing checked all other limits.
    pub(super) fn compute(
        &self,
        secret: &[u8],
        memory: &mut [Block],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut output = Zeroizing::new(vec![0; self.output.len()]);
        Argon2::new(self.algorithm, self.version, self.params.clone())
            .hash_password_into_with_memory(secret, &self.salt, &mut output, memory)
            .ok()?;
        Some(output)
    }
}

/// Checks the fields that the library accepts or rejects without a reason: it replaces a missing
/// parameter with its default, and accepts the `keyid` and `data` of hashes that need both.
fn check_fields(text: &str) -> Result<(), HashRejection> {
    let fields: Vec<_> = text.split('$').skip(2).filter(|field| !field.starts_with("v=")).collect();
    let [parameters, rest @ ..] = fields.as_slice() else {
        return Err(HashRejection::Unrecognized);
    };
    let name = |parameter: &'_ str| parameter.split('=').next().unwrap_or_default().to_owned();
    let mut names: Vec<_> = parameters.split(',').map(name).collect();
    if names.iter().any(|name| ["keyid", "data"].contains(&name.as_str())) {
        return Err(HashRejection::Keyed);
    }
    names.sort_unstable();
    if names != ["m", "p", "t"] {
        return Err(HashRejection::InvalidParameters(PARAMETERS));
    }
    if rest.iter().any(|field| field.contains('=')) {
        return Err(HashRejection::Padded);
    }
    Ok(())
}
