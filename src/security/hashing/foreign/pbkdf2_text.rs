//! PBKDF2 in three spellings: PHC's, `passlib`'s and Django's.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};

use crate::domain::{
    Reason,
    stored_credential::{HashParameters, HashScheme},
};

/// No salt in use is longer.
const MAXIMUM_SALT: usize = 128;

/// A few bytes would be right by chance; Keycloak writes 64, whatever the digest.
const OUTPUT_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// A hash that can be verified.
#[derive(Clone)]
pub(in crate::security::hashing) struct Pbkdf2Hash {
    pub(in crate::security::hashing) scheme: HashScheme,
    pub(in crate::security::hashing) rounds: u32,
    pub(in crate::security::hashing) salt: Vec<u8>,
    pub(in crate::security::hashing) output: Vec<u8>,
}

impl Pbkdf2Hash {
    /// What it cost.
    pub(in crate::security::hashing) fn cost(&self) -> HashParameters {
        HashParameters { memory_kib: 0, iterations: self.rounds, parallelism: 1 }
    }

    /// The part of the output that decides. More than one digest is several blocks (RFC 8018, 5.2),
    /// each made of the secret alone and each as hard to hit as the digest: the first is enough, and
    /// the others would cost the rounds again.
    pub(in crate::security::hashing) fn decisive(&self) -> &[u8] {
        let digest = digest_bytes(self.scheme).unwrap_or(self.output.len());
        self.output.get(..digest).unwrap_or(&self.output)
    }
}

/// Reads a hash; `None` when it is none of PBKDF2.
///
/// # Errors
/// Says why one cannot be verified.
pub(super) fn parse(text: &str) -> Result<Option<Pbkdf2Hash>, Reason> {
    let fields: Vec<_> = text.split('$').collect();
    match fields.as_slice() {
        ["", name, costs, salt, output] if name.starts_with("pbkdf2") => {
            let name = if *name == "pbkdf2" { "pbkdf2-sha1" } else { name };
            let (rounds, length) = read_costs(costs).ok_or(Reason::UnknownHash)?;
            // passlib's Base64 has a dot where others have a plus.
            let decode = |text: &str| match STANDARD_NO_PAD.decode(text.replace('.', "+")) {
                Ok(bytes) => Ok(bytes),
                Err(_) if text.ends_with('=') => Err(Reason::PaddedHash),
                Err(_) => Err(Reason::UnknownHash),
            };
            let (salt, output) = (decode(salt)?, decode(output)?);
            if length.is_some_and(|length| length != output.len()) {
                return Err(Reason::UnknownHash);
            }
            made_of(name, rounds, salt, output).map(Some)
        }
        // Django: the salt is the text itself.
        [name, rounds, salt, output] if name.starts_with("pbkdf2_") => {
            let rounds = rounds.parse().map_err(|_| Reason::UnknownHash)?;
            let output = STANDARD.decode(output).map_err(|_| Reason::UnknownHash)?;
            let salt = salt.as_bytes().to_vec();
            made_of(&name.replace('_', "-"), rounds, salt, output).map(Some)
        }
        _ => Ok(None),
    }
}

/// `i=600000`, `i=600000,l=32` or, in passlib's spelling, `600000`: the rounds, and the length of the
/// output.
fn read_costs(costs: &str) -> Option<(u32, Option<usize>)> {
    let Some(costs) = costs.strip_prefix("i=") else { return Some((costs.parse().ok()?, None)) };
    match costs.split_once(",l=") {
        None => Some((costs.parse().ok()?, None)),
        Some((rounds, length)) => Some((rounds.parse().ok()?, Some(length.parse().ok()?))),
    }
}

fn made_of(name: &str, rounds: u32, salt: Vec<u8>, output: Vec<u8>) -> Result<Pbkdf2Hash, Reason> {
    let scheme = HashScheme::parse(name).filter(|of| digest_bytes(*of).is_some());
    let scheme = scheme.ok_or(Reason::UnsupportedHash("PBKDF2 (with that digest)"))?;
    let is_possible =
        OUTPUT_BYTES.contains(&output.len()) && (1..=MAXIMUM_SALT).contains(&salt.len());
    if !is_possible {
        return Err(Reason::UnknownHash);
    }
    Ok(Pbkdf2Hash { scheme, rounds, salt, output })
}

/// The length of the digest, for PBKDF2.
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
