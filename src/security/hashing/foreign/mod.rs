//! Hashes that other systems made. They are verified as they are, on the hashing threads, until
//! their owner logs in and they are made anew.
//!
//! Understood are argon2 in all variants, PBKDF2 in the PHC format, in the spelling of `passlib` and
//! in Django's, and bcrypt. A text is parsed once, into what the verifier uses, so what is accepted
//! can be verified. Everything else is refused with its reason.

mod argon2_text;
mod families;
mod pbkdf2_text;

use argon2::{Argon2, Block};
use pbkdf2::pbkdf2_hmac;
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub(super) use self::{argon2_text::Argon2Hash, pbkdf2_text::Pbkdf2Hash};
use crate::domain::{
    Reason,
    stored_credential::{HashParameters, HashScheme},
};

/// The longest text of a hash.
const MAXIMUM_TEXT: usize = 512;

/// What a hash may cost: less does not slow down a thief who tries every word, more
/// would let one login keep a thread for seconds.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 8..=15;
const PBKDF2_ROUNDS: std::ops::RangeInclusive<u32> = 10_000..=2_000_000;
const ARGON2_BLOCKS: std::ops::RangeInclusive<u64> = 4_096..=4 * 1024 * 1024;

/// A hash that was imported.
#[derive(Clone)]
pub(crate) struct ForeignHash {
    pub(super) scheme: HashScheme,
    pub(super) cost: HashParameters,
    pub(super) text: SecretString,
    pub(super) parts: HashComponents,
}

/// What each scheme is verified with.
#[derive(Clone)]
pub(super) enum HashComponents {
    /// The library reads the text itself.
    Bcrypt,
    Pbkdf2(Pbkdf2Hash),
    Argon2(Argon2Hash),
}

impl std::fmt::Debug for ForeignHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ForeignHash")
            .field("scheme", &self.scheme)
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}

impl ForeignHash {
    /// Reads a hash.
    ///
    /// # Errors
    /// Says why it is none that can be verified.
    pub(super) fn parse(text: &SecretString) -> Result<Self, Reason> {
        let plain = text.expose_secret();
        if plain.len() > MAXIMUM_TEXT {
            return Err(Reason::UnknownHash);
        }
        let (scheme, cost, parts) = if plain.starts_with("$argon2") {
            let hash = Argon2Hash::parse(plain)?;
            (hash.scheme(), hash.cost(), HashComponents::Argon2(hash))
        } else if let Some(hash) = pbkdf2_text::parse(plain)? {
            (hash.scheme, hash.cost(), HashComponents::Pbkdf2(hash))
        } else {
            let cost = bcrypt_cost(plain)?;
            (HashScheme::Bcrypt, cost, HashComponents::Bcrypt)
        };
        Ok(Self { scheme, cost, text: text.clone(), parts })
    }

    pub(super) fn scheme(&self) -> HashScheme {
        self.scheme
    }

    pub(super) fn cost(&self) -> HashParameters {
        self.cost
    }

    pub(super) fn text(&self) -> &SecretString {
        &self.text
    }

    /// Refuses what costs too little or too much, without trying it.
    pub(super) fn check_cost(&self, maximum_memory_kib: u32) -> Result<(), Reason> {
        let iterations = self.cost.iterations;
        let (cost, range) = match self.scheme {
            HashScheme::Bcrypt => (u64::from(iterations), widened(&BCRYPT_COSTS)),
            HashScheme::Pbkdf2Sha1 | HashScheme::Pbkdf2Sha256 | HashScheme::Pbkdf2Sha512 => {
                (u64::from(iterations), widened(&PBKDF2_ROUNDS))
            }
            HashScheme::Argon2id | HashScheme::Argon2i | HashScheme::Argon2d => {
                return check_argon2(self.cost, maximum_memory_kib);
            }
        };
        within(cost, &range)
    }

    /// True when it was made from this secret.
    pub(super) fn matches(&self, secret: &[u8], memory: &mut [Block]) -> bool {
        match &self.parts {
            HashComponents::Bcrypt => {
                bcrypt::verify(secret, self.text.expose_secret()).unwrap_or(false)
            }
            HashComponents::Pbkdf2(hash) => hash.matches(secret),
            HashComponents::Argon2(hash) => hash.matches(secret, memory),
        }
    }
}

impl Pbkdf2Hash {
    fn matches(&self, secret: &[u8]) -> bool {
        let mut derived = Zeroizing::new(vec![0; self.decisive().len()]);
        let (salt, rounds) = (&self.salt, self.rounds);
        match self.scheme {
            HashScheme::Pbkdf2Sha1 => pbkdf2_hmac::<Sha1>(secret, salt, rounds, &mut derived),
            HashScheme::Pbkdf2Sha512 => pbkdf2_hmac::<Sha512>(secret, salt, rounds, &mut derived),
            HashScheme::Pbkdf2Sha256
            | HashScheme::Argon2id
            | HashScheme::Argon2i
            | HashScheme::Argon2d
            | HashScheme::Bcrypt => pbkdf2_hmac::<Sha256>(secret, salt, rounds, &mut derived),
        }
        derived.ct_eq(self.decisive()).into()
    }
}

impl Argon2Hash {
    fn matches(&self, secret: &[u8], memory: &mut [Block]) -> bool {
        let derived = self.derive(secret, memory);
        derived.is_some_and(|derived| derived.ct_eq(&self.output).into())
    }

    /// `None` when the memory is too small; everything else was checked when it was read.
    fn derive(&self, secret: &[u8], memory: &mut [Block]) -> Option<Zeroizing<Vec<u8>>> {
        let mut derived = Zeroizing::new(vec![0; self.output.len()]);
        Argon2::new(self.algorithm, self.version, self.params.clone())
            .hash_password_into_with_memory(secret, &self.salt, &mut derived, memory)
            .ok()?;
        Some(derived)
    }
}

/// `$2b$12$…`, also `2a` and `2y`, which differ in bugs that were fixed long ago. `2x` marks hashes
/// that were made with one of them.
fn bcrypt_cost(text: &str) -> Result<HashParameters, Reason> {
    let is_known = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
    if !is_known {
        return Err(families::reason(text));
    }
    let parts: bcrypt::HashParts = text.parse().map_err(|_| Reason::UnknownHash)?;
    Ok(HashParameters { memory_kib: 0, iterations: parts.get_cost(), parallelism: 1 })
}

/// Refuses what argon2 should not be asked for.
pub(super) fn check_argon2(cost: HashParameters, maximum_memory_kib: u32) -> Result<(), Reason> {
    if cost.memory_kib > maximum_memory_kib {
        return Err(Reason::HashTooMuchMemory);
    }
    within(cost.blocks(), &ARGON2_BLOCKS)
}

fn within(cost: u64, range: &std::ops::RangeInclusive<u64>) -> Result<(), Reason> {
    if cost < *range.start() {
        Err(Reason::HashTooCheap)
    } else if cost > *range.end() {
        Err(Reason::HashTooExpensive)
    } else {
        Ok(())
    }
}

fn widened(range: &std::ops::RangeInclusive<u32>) -> std::ops::RangeInclusive<u64> {
    u64::from(*range.start())..=u64::from(*range.end())
}

#[cfg(test)]
mod tests;
