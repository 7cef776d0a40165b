//! PBKDF2 in the PHC string format, and in the formats of `passlib` and Django.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};

use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    super::hash_parameters::{HashParameters, HashScheme},
    rejection::HashRejection,
};

/// The longest salt. No system uses a longer one.
const MAXIMUM_SALT: usize = 128;

/// A shorter output would match by chance. Keycloak writes 64 bytes for every digest.
const OUTPUT_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// A PBKDF2 hash that can be verified.
#[derive(Clone)]
pub(super) struct Pbkdf2Hash {
    pub(super) scheme: HashScheme,
    pub(super) rounds: u32,
    pub(super) salt: Vec<u8>,
    pub(super) output: Vec<u8>,
}

impl Pbkdf2Hash {
    /// The cost parameters.
    pub(super) fn parameters(&self) -> HashParameters {
        HashParameters { memory_kib: 0, iterations: self.rounds, parallelism: 1 }
    }

    /// True when the hash was computed from this secret.
    pub(super) fn matches(&self, secret: &[u8]) -> bool {
        let mut output = Zeroizing::new(vec![0; self.first_block().len()]);
        let (salt, rounds) = (&self.salt, self.rounds);
        match self.scheme {
            HashScheme::Pbkdf2Sha1 => pbkdf2_hmac::<Sha1>(secret, salt, rounds, &mut output),
            HashScheme::Pbkdf2Sha512 => pbkdf2_hmac::<Sha512>(secret, salt, rounds, &mut output),
            HashScheme::Pbkdf2Sha256
            | HashScheme::Argon2id
            | HashScheme::Argon2i
            | HashScheme::Argon2d
            | HashScheme::Bcrypt => pbkdf2_hmac::<Sha256>(secret, salt, rounds, &mut output),
        }
        output.ct_eq(self.first_block()).into()
    }

    /// The first block of the output (RFC 8018, section 5.2). Every block depends on the secret
    /// alone and is as long as the digest. The first one is enough; the others would cost the
    /// rounds again.
    fn first_block(&self) -> &[u8] {
        let digest = digest_bytes(self.scheme).unwrap_or(self.output.len());
        self.output.get(..digest).unwrap_or(&self.output)
    }
}

/// Parses a hash. `None` when it is not PBKDF2.
///
/// # Errors
/// When a PBKDF2 hash is invalid or not supported.
pub(super) fn parse(text: &str) -> Result<Option<Pbkdf2Hash>, HashRejection> {
    let fields: Vec<_> = text.split('$').collect();
    match fields.as_slice() {
        ["", name, costs, salt, output] if name.starts_with("pbkdf2") => {
            let name = if *name == "pbkdf2" { "pbkdf2-sha1" } else { name };
            let (rounds, length) = parse_costs(costs).ok_or(HashRejection::Unrecognized)?;
            // The Base64 alphabet of passlib has a dot instead of the plus.
            let decode = |text: &str| match STANDARD_NO_PAD.decode(text.replace('.', "+")) {
                Ok(bytes) => Ok(bytes),
                Err(_) if text.ends_with('=') => Err(HashRejection::Padded),
                Err(_) => Err(HashRejection::Unrecognized),
            };
            let (salt, output) = (decode(salt)?, decode(output)?);
            if length.is_some_and(|length| length != output.len()) {
                return Err(HashRejection::Unrecognized);
            }
            checked(name, rounds, salt, output).map(Some)
        }
        // Django uses the text of the salt as its bytes.
        [name, rounds, salt, output] if name.starts_with("pbkdf2_") => {
            let rounds = rounds.parse().map_err(|_| HashRejection::Unrecognized)?;
            let output = STANDARD.decode(output).map_err(|_| HashRejection::Unrecognized)?;
            let salt = salt.as_bytes().to_vec();
            checked(&name.replace('_', "-"), rounds, salt, output).map(Some)
        }
        _ => Ok(None),
    }
}

/// Parses `i=600000`, `i=600000,l=32` or, in the format of passlib, `600000`: the rounds, and the
/// length of the output.
fn parse_costs(costs: &str) -> Option<(u32, Option<usize>)> {
    let Some(costs) = costs.strip_prefix("i=") else { return Some((costs.parse().ok()?, None)) };
    match costs.split_once(",l=") {
        None => Some((costs.parse().ok()?, None)),
        Some((rounds, length)) => Some((rounds.parse().ok()?, Some(length.parse().ok()?))),
    }
}

/// A hash whose digest and lengths are supported.
fn checked(
    name: &str,
    rounds: u32,
    salt: Vec<u8>,
    output: Vec<u8>,
) -> Result<Pbkdf2Hash, HashRejection> {
    let scheme = HashScheme::parse(name).filter(|scheme| digest_bytes(*scheme).is_some());
    let scheme = scheme.ok_or(HashRejection::Unsupported("PBKDF2 (with that digest)"))?;
    let has_valid_lengths =
        OUTPUT_BYTES.contains(&output.len()) && (1..=MAXIMUM_SALT).contains(&salt.len());
    if !has_valid_lengths {
        return Err(HashRejection::Unrecognized);
    }
    Ok(Pbkdf2Hash { scheme, rounds, salt, output })
}

/// Length of the digest of a PBKDF2 scheme.
fn digest_bytes(scheme: HashScheme) -> Option<usize> {
    match scheme {
        HashScheme::Pbkdf2Sha1 => Some(20),
        HashScheme::Pbkdf2Sha256 => Some(32),
        HashScheme::Pbkdf2Sha512 => Some(64),
        HashScheme::Argon2id | HashScheme::Argon2i | HashScheme::Argon2d | HashScheme::Bcrypt => {
            None
        }
    }
}
