//! Hashes that other systems made. They are verified as they are, on the hashing threads, until
//! their owner logs in and they are made anew.
//!
//! Understood are argon2 in all variants, PBKDF2 in the PHC format, in the spelling of `passlib` and
//! in Django's, and bcrypt. A value is in NFC when it is verified (protocol.md 10.25); other systems
//! hashed it as it was typed, which for most keyboards is the same.

use std::str::FromStr;

use argon2::{Algorithm, Argon2, Block, Params, Version, password_hash::phc::PasswordHash};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use pbkdf2::pbkdf2_hmac;
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::domain::{
    Reason,
    stored_credential::{HashParameters, HashScheme},
};

/// The longest text of a hash.
const MAXIMUM_TEXT: usize = 512;

/// Salt and output of no hash in use are longer.
const MAXIMUM_BYTES: usize = 128;

/// What a hash may cost: less is worth nothing to whoever stole it and has to try every word, more
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
    pub(super) parts: Parts,
}

#[derive(Clone)]
pub(super) enum Parts {
    /// The library reads the text itself.
    Bcrypt,
    /// The derived key.
    Pbkdf2 {
        salt: Vec<u8>,
        output: Vec<u8>,
    },
    Argon2 {
        algorithm: Algorithm,
        version: Version,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
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
    /// Reads a hash; `None` when it is none that can be verified.
    pub(super) fn parse(text: &SecretString) -> Option<Self> {
        let plain = text.expose_secret();
        if plain.len() > MAXIMUM_TEXT {
            return None;
        }
        let (scheme, cost, parts) = read_bcrypt(plain)
            .or_else(|| read_argon2(plain))
            .or_else(|| read_pbkdf2(plain))
            .or_else(|| read_django(plain))?;
        Some(Self { scheme, cost, text: text.clone(), parts })
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
            Parts::Bcrypt => bcrypt::verify(secret, self.text.expose_secret()).unwrap_or(false),
            Parts::Pbkdf2 { salt, output } => {
                let mut derived = Zeroizing::new(vec![0; output.len()]);
                let rounds = self.cost.iterations;
                match self.scheme {
                    HashScheme::Pbkdf2Sha1 => {
                        pbkdf2_hmac::<Sha1>(secret, salt, rounds, &mut derived);
                    }
                    HashScheme::Pbkdf2Sha512 => {
                        pbkdf2_hmac::<Sha512>(secret, salt, rounds, &mut derived);
                    }
                    HashScheme::Pbkdf2Sha256
                    | HashScheme::Argon2id
                    | HashScheme::Argon2i
                    | HashScheme::Argon2d
                    | HashScheme::Bcrypt => {
                        pbkdf2_hmac::<Sha256>(secret, salt, rounds, &mut derived);
                    }
                }
                derived.ct_eq(output).into()
            }
            Parts::Argon2 { algorithm, version, salt, output } => {
                let HashParameters { memory_kib, iterations, parallelism } = self.cost;
                let mut derived = Zeroizing::new(vec![0; output.len()]);
                let params = Params::new(memory_kib, iterations, parallelism, Some(output.len()));
                let is_done = params.is_ok_and(|params| {
                    Argon2::new(*algorithm, *version, params)
                        .hash_password_into_with_memory(secret, salt, &mut derived, memory)
                        .is_ok()
                });
                is_done && bool::from(derived.ct_eq(output))
            }
        }
    }
}

type Read = (HashScheme, HashParameters, Parts);

/// `$2b$12$…`, also `2a` and `2y`, which differ in mistakes that were mended long ago. `2x` marks
/// hashes that were made with one of them.
fn read_bcrypt(text: &str) -> Option<Read> {
    let is_known = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
    let parts = bcrypt::HashParts::from_str(text).ok().filter(|_| is_known)?;
    let cost = HashParameters { memory_kib: 0, iterations: parts.get_cost(), parallelism: 1 };
    Some((HashScheme::Bcrypt, cost, Parts::Bcrypt))
}

/// `$argon2id$v=19$m=…,t=…,p=…$salt$output`, and without a version the first one.
fn read_argon2(text: &str) -> Option<Read> {
    let hash = PasswordHash::new(text).ok()?;
    let (scheme, algorithm) = match hash.algorithm.as_str() {
        "argon2id" => (HashScheme::Argon2id, Algorithm::Argon2id),
        "argon2i" => (HashScheme::Argon2i, Algorithm::Argon2i),
        "argon2d" => (HashScheme::Argon2d, Algorithm::Argon2d),
        _ => return None,
    };
    // Made with a secret key or with data that is not there.
    if text.contains("keyid=") || text.contains("data=") {
        return None;
    }
    let version = Version::try_from(hash.version.unwrap_or(16)).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let cost = HashParameters {
        memory_kib: params.m_cost(),
        iterations: params.t_cost(),
        parallelism: params.p_cost(),
    };
    let (salt, output) = (hash.salt?.as_ref().to_vec(), hash.hash?.as_bytes().to_vec());
    Some((scheme, cost, Parts::Argon2 { algorithm, version, salt, output }))
}

/// `$pbkdf2-sha256$i=600000$salt$output`, and `passlib`'s `$pbkdf2-sha256$600000$salt$output`, whose
/// Base64 has a dot where others have a plus. `pbkdf2` alone is of SHA-1 there.
fn read_pbkdf2(text: &str) -> Option<Read> {
    let fields: Vec<_> = text.strip_prefix('$')?.split('$').collect();
    let [name, costs, salt, output] = fields.as_slice() else { return None };
    let name = if *name == "pbkdf2" { "pbkdf2-sha1" } else { name };
    let rounds = match costs.strip_prefix("i=") {
        Some(costs) => costs.split(',').next()?,
        None => costs,
    };
    let decode = |text: &str| STANDARD_NO_PAD.decode(text.replace('.', "+")).ok();
    pbkdf2(HashScheme::parse(name)?, rounds, decode(salt)?, decode(output)?)
}

/// Django's `pbkdf2_sha256$600000$salt$output`: the salt is the text itself.
fn read_django(text: &str) -> Option<Read> {
    let fields: Vec<_> = text.split('$').collect();
    let [name, rounds, salt, output] = fields.as_slice() else { return None };
    let scheme = HashScheme::parse(&name.replace('_', "-"))?;
    pbkdf2(scheme, rounds, salt.as_bytes().to_vec(), STANDARD.decode(output).ok()?)
}

fn pbkdf2(scheme: HashScheme, rounds: &str, salt: Vec<u8>, output: Vec<u8>) -> Option<Read> {
    // A few bytes would be right by chance; more than one digest costs its rounds again.
    let digest = match scheme {
        HashScheme::Pbkdf2Sha1 => 20,
        HashScheme::Pbkdf2Sha512 => 64,
        HashScheme::Pbkdf2Sha256
        | HashScheme::Argon2id
        | HashScheme::Argon2i
        | HashScheme::Argon2d
        | HashScheme::Bcrypt => 32,
    };
    let is_possible =
        (16..=digest).contains(&output.len()) && (1..=MAXIMUM_BYTES).contains(&salt.len());
    let is_pbkdf2 = scheme.as_str().starts_with("pbkdf2-");
    let iterations = rounds.parse().ok().filter(|_| is_possible && is_pbkdf2)?;
    let cost = HashParameters { memory_kib: 0, iterations, parallelism: 1 };
    Some((scheme, cost, Parts::Pbkdf2 { salt, output }))
}

/// Refuses what argon2 should not be asked for.
pub(super) fn check_argon2(cost: HashParameters, maximum_memory_kib: u32) -> Result<(), Reason> {
    if cost.memory_kib > maximum_memory_kib {
        return Err(Reason::HashTooExpensive);
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
mod tests {
    use super::*;

    /// Of "correct horse", by libxcrypt 4.4, Python 3.11's hashlib, and argon2-cffi 25.1 over the
    /// reference implementation.
    const HASHES: [(&str, HashScheme); 13] = [
        ("$2b$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe", HashScheme::Bcrypt),
        ("$2y$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe", HashScheme::Bcrypt),
        (
            "$pbkdf2-sha1$i=10000,l=20$c2FsdHNhbHQ$IF4UejPH5Sni7s7H89KLJHixSw8",
            HashScheme::Pbkdf2Sha1,
        ),
        (
            "$pbkdf2-sha256$i=10000,l=32$c2FsdHNhbHQ$MBlX8O5tpAxXjnIZapIeuVCT5y+7lFYpNN3O3eK8oOs",
            HashScheme::Pbkdf2Sha256,
        ),
        (
            "$pbkdf2-sha512$i=10000,l=64$c2FsdHNhbHQ$SRl9U3XB4V6sE0qgj2kNlpHjNAF/t80nzn08MIK9MikE4\
             0sYmo1/mbJe3iZlysoMZPTMtHWle6aKFgnsaKsZNA",
            HashScheme::Pbkdf2Sha512,
        ),
        (
            "$pbkdf2-sha256$12000$.//.MDEyMzQ1Njc4OWFiYw$EltpNJM/jMpVkXjA8jPybML/FjFZ4iWH6gMgeqxs3\
             ZY",
            HashScheme::Pbkdf2Sha256,
        ),
        ("$pbkdf2$10000$c2FsdHNhbHQ$IF4UejPH5Sni7s7H89KLJHixSw8", HashScheme::Pbkdf2Sha1),
        (
            "pbkdf2_sha256$26000$Django5Salt$NOGVWoUQTyBCLCAZn+sWotpiDWR9II7cjfkE1pMOGs4=",
            HashScheme::Pbkdf2Sha256,
        ),
        ("pbkdf2_sha1$26000$Django5Salt$9QUCimG0W8iLrVjlN/vlrBn0GeM=", HashScheme::Pbkdf2Sha1),
        (
            "$argon2i$v=19$m=4096,t=2,p=2$c2FsdHNhbHQ$aRgIhWvUJG5CeQ62n8Ov6zRMGD9MRS+k",
            HashScheme::Argon2i,
        ),
        (
            "$argon2d$v=19$m=4096,t=2,p=2$c2FsdHNhbHQ$6euInv0H9QT6yjzZjUMIfevBi3TAjib4",
            HashScheme::Argon2d,
        ),
        (
            "$argon2id$v=19$m=4096,t=2,p=2$c2FsdHNhbHQ$lK2g3EYkhEQ4UanSkEli/ZD3NHwkaz1h",
            HashScheme::Argon2id,
        ),
        (
            "$argon2i$v=16$m=4096,t=2,p=1$c2FsdHNhbHQ$Fm7NCzoABzNkID5elb5ooCjJsz7jMojPVySA+HIABCs",
            HashScheme::Argon2i,
        ),
    ];

    fn parse(text: &str) -> Option<ForeignHash> {
        ForeignHash::parse(&SecretString::from(text))
    }

    #[test]
    fn what_others_made_matches_what_it_was_made_from_and_nothing_else() {
        let mut memory = vec![Block::new(); 4096];
        for (text, scheme) in HASHES {
            let hash = parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(hash.scheme(), scheme, "{text}");
            assert_eq!(hash.check_cost(4096), Ok(()), "{text}");
            assert!(hash.matches(b"correct horse", &mut memory), "{text}");
            assert!(!hash.matches(b"correct horsf", &mut memory), "{text}");
            assert_eq!(hash.text().expose_secret(), text);
        }
    }

    #[test]
    fn what_is_no_hash_is_none() {
        for text in [
            "",
            "$",
            "plain text",
            "$2x$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe",
            "$2b$08$tooshort",
            "$1$abcdefgh$aaaaaaaaaaaaaaaaaaaaa.",
            "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD",
            "$pbkdf2-md5$i=10000$c2FsdHNhbHQ$IF4UejPH5Sni7s7H89KLJHixSw8",
            "$pbkdf2-sha1$i=x$c2FsdHNhbHQ$IF4UejPH5Sni7s7H89KLJHixSw8",
            "$pbkdf2-sha1$i=10000$$IF4UejPH5Sni7s7H89KLJHixSw8",
            "$pbkdf2-sha1$i=10000$c2FsdHNhbHQ$IF4U",
            "pbkdf2_sha256$26000$salt$",
            "argon2id$26000$salt$NOGVWoUQTyBCLCAZn+sWotpiDWR9II7cjfkE1pMOGs4=",
            "$argon2id$v=19$m=4096,t=2,p=2$c2FsdHNhbHQ",
            "$argon2id$v=19$m=4096,t=2,p=2,keyid=YQ$c2FsdHNhbHQ$lK2g3EYkhEQ4UanSkEli/ZD3NHwkaz1h",
            "$pbkdf2-sha1$i=10000$c2FsdHNhbHQ$MBlX8O5tpAxXjnIZapIeuVCT5y+7lFYpNN3O3eK8oOs",
            "$argon2x$v=19$m=4096,t=2,p=2$c2FsdHNhbHQ$lK2g3EYkhEQ4UanSkEli/ZD3NHwkaz1h",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
        assert!(parse(&"$2b$08$".repeat(100)).is_none());
    }

    #[test]
    fn what_costs_too_little_or_too_much_is_refused_without_being_tried() {
        let bcrypt = |cost: &str| {
            format!("$2b${cost}$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe")
        };
        let django =
            |rounds: u64| format!("pbkdf2_sha1${rounds}$salt$9QUCimG0W8iLrVjlN/vlrBn0GeM=");
        let argon2 = |memory: u64, passes: u64| {
            format!(
                "$argon2i$v=19$m={memory},t={passes},p=1$c2FsdHNhbHQ$Fm7NCzoABzNkID5elb5ooCjJsz7jMojPVySA+HIABCs"
            )
        };
        for (text, expected) in [
            (bcrypt("07"), Err(Reason::HashTooCheap)),
            (bcrypt("08"), Ok(())),
            (bcrypt("15"), Ok(())),
            (bcrypt("16"), Err(Reason::HashTooExpensive)),
            (bcrypt("31"), Err(Reason::HashTooExpensive)),
            (django(9_999), Err(Reason::HashTooCheap)),
            (django(10_000), Ok(())),
            (django(4_294_967_295), Err(Reason::HashTooExpensive)),
            (argon2(1_024, 3), Err(Reason::HashTooCheap)),
            (argon2(4_096, 1), Ok(())),
            (argon2(4_194_304, 1), Err(Reason::HashTooExpensive)),
            (argon2(4_096, 2_000), Err(Reason::HashTooExpensive)),
        ] {
            let hash = parse(&text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(hash.check_cost(19_456), expected, "{text}");
        }
    }
}
