//! Functions of other systems that need no memory that counts, with their rounds and salt.
//!
//! A function that is fast or weak is never stored with its output. Argon2id over the output takes
//! its place.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use md5::Md5;
use pbkdf2::pbkdf2_hmac;
use sha_crypt::{sha256_crypt, sha512_crypt};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::{
    super::hash_parameters::HashScheme,
    crypt::{MD5_CRYPT_ROUNDS, md5_crypt, phpass},
};

/// The longest salt. No system uses a longer one.
const MAXIMUM_SALT: usize = 128;

/// crypt(3) refuses a longer secret, in bytes. The time of these functions grows with the secret.
const LONGEST_CRYPT_SECRET: usize = 511;

/// Rounds of a function of crypt(3), times bytes of the secret. A longer secret matches no hash of so
/// many rounds, so that it keeps no thread busy for many seconds: 64 bytes with the highest number of
/// rounds, 97 bytes with 656,000 rounds, and every secret up to 125,000 rounds.
const MAXIMUM_CRYPT_WORK: usize = 64_000_000;

/// A secret that is longer by this many bytes takes as much time again, or less. The functions of
/// crypt(3) hash a secret of 8 bytes in one block of 64 bytes, and read it at most twice for each
/// round.
const BYTES_OF_GROWTH: f64 = 32.0;

/// With fewer rounds, the output is wrapped.
const STRONG_PBKDF2_ROUNDS: u32 = 10_000;
const STRONG_SHA_CRYPT_ROUNDS: u32 = 20_000;

/// Defines [`Algorithm`]: each variant with its name and the length of its output in bytes.
macro_rules! algorithms {
    ($($variant:ident => $name:literal, $length:literal;)+) => {
        /// The algorithm of a function.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Algorithm {
            $($variant,)+
        }

        impl Algorithm {
            const ALL: &[Self] = &[$(Self::$variant),+];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The length of the output in bytes.
            pub(super) fn output_length(self) -> usize {
                match self {
                    $(Self::$variant => $length,)+
                }
            }
        }
    };
}

algorithms! {
    Md5 => "md5", 16;
    Sha1 => "sha1", 20;
    Sha256 => "sha256", 32;
    Sha384 => "sha384", 48;
    Sha512 => "sha512", 64;
    Md5Crypt => "md5-crypt", 16;
    Apr1Crypt => "apr1-crypt", 16;
    Sha256Crypt => "sha256-crypt", 32;
    Sha512Crypt => "sha512-crypt", 64;
    Phpass => "phpass", 16;
    Pbkdf2Sha1 => "pbkdf2-sha1", 20;
    Pbkdf2Sha256 => "pbkdf2-sha256", 32;
    Pbkdf2Sha512 => "pbkdf2-sha512", 64;
}

/// The family of an algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Digest,
    Md5Crypt,
    ShaCrypt,
    Phpass,
    Pbkdf2,
}

impl Algorithm {
    pub(super) fn family(self) -> Family {
        match self {
            Self::Md5 | Self::Sha1 | Self::Sha256 | Self::Sha384 | Self::Sha512 => Family::Digest,
            Self::Md5Crypt | Self::Apr1Crypt => Family::Md5Crypt,
            Self::Sha256Crypt | Self::Sha512Crypt => Family::ShaCrypt,
            Self::Phpass => Family::Phpass,
            Self::Pbkdf2Sha1 | Self::Pbkdf2Sha256 | Self::Pbkdf2Sha512 => Family::Pbkdf2,
        }
    }
}

/// A function with everything but the secret.
#[derive(Clone)]
pub(crate) struct HashFunction {
    algorithm: Algorithm,
    rounds: u32,
    salt: Vec<u8>,
    /// How much of the output counts, in bytes.
    length: usize,
}

impl HashFunction {
    /// A function whose output has `length` bytes. A longer output than that of the algorithm
    /// consists of further blocks, which do not count. `None` when the rounds, the salt or the
    /// length are out of range.
    pub(super) fn new(
        algorithm: Algorithm,
        rounds: u32,
        salt: &[u8],
        length: usize,
    ) -> Option<Self> {
        let (is_valid_round, salt_bytes, minimum_length) = match algorithm.family() {
            Family::Digest => (rounds == 1, 0..=MAXIMUM_SALT, algorithm.output_length()),
            Family::Md5Crypt => (rounds == MD5_CRYPT_ROUNDS, 0..=8, algorithm.output_length()),
            Family::ShaCrypt => (rounds >= 1_000, 0..=16, algorithm.output_length()),
            Family::Phpass => (rounds.is_power_of_two(), 8..=8, algorithm.output_length()),
            // A shorter output would match by chance.
            Family::Pbkdf2 => (rounds > 0, 1..=MAXIMUM_SALT, 16),
        };
        let is_valid =
            is_valid_round && salt_bytes.contains(&salt.len()) && length >= minimum_length;
        let length = length.min(algorithm.output_length());
        is_valid.then(|| Self { algorithm, rounds, salt: salt.to_vec(), length })
    }

    /// The function that a kind of hash spends the most time in, for measurements. `None` for the
    /// schemes that consist of other functions.
    pub(crate) fn sample(scheme: HashScheme, rounds: u32) -> Option<Self> {
        let (algorithm, rounds) = match scheme {
            HashScheme::Pbkdf2Sha1 => (Algorithm::Pbkdf2Sha1, rounds),
            HashScheme::Pbkdf2Sha256 => (Algorithm::Pbkdf2Sha256, rounds),
            HashScheme::Pbkdf2Sha512 => (Algorithm::Pbkdf2Sha512, rounds),
            HashScheme::Sha256Crypt => (Algorithm::Sha256Crypt, rounds),
            HashScheme::Sha512Crypt => (Algorithm::Sha512Crypt, rounds),
            HashScheme::OverDigest => (Algorithm::Sha512, 1),
            HashScheme::OverMd5Crypt => (Algorithm::Md5Crypt, MD5_CRYPT_ROUNDS),
            HashScheme::OverShaCrypt => (Algorithm::Sha512Crypt, STRONG_SHA_CRYPT_ROUNDS),
            HashScheme::OverPhpass => (Algorithm::Phpass, 1 << 15),
            HashScheme::OverPbkdf2 => (Algorithm::Pbkdf2Sha512, STRONG_PBKDF2_ROUNDS),
            HashScheme::Argon2id
            | HashScheme::Argon2i
            | HashScheme::Argon2d
            | HashScheme::Bcrypt
            | HashScheme::BcryptSha256
            | HashScheme::Scrypt
            | HashScheme::FirebaseScrypt => return None,
        };
        Self::new(algorithm, rounds, &[0; 8], algorithm.output_length())
    }

    pub(super) fn family(&self) -> Family {
        self.algorithm.family()
    }

    /// Number of rounds.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds
    }

    /// How much of the output counts, in bytes.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// The scheme of a hash that is stored as it is. `None` when it must be wrapped: it would not
    /// slow down a dictionary attack.
    pub(super) fn scheme(&self) -> Option<HashScheme> {
        let (scheme, strong_rounds) = match self.algorithm {
            Algorithm::Pbkdf2Sha1 => (HashScheme::Pbkdf2Sha1, STRONG_PBKDF2_ROUNDS),
            Algorithm::Pbkdf2Sha256 => (HashScheme::Pbkdf2Sha256, STRONG_PBKDF2_ROUNDS),
            Algorithm::Pbkdf2Sha512 => (HashScheme::Pbkdf2Sha512, STRONG_PBKDF2_ROUNDS),
            Algorithm::Sha256Crypt => (HashScheme::Sha256Crypt, STRONG_SHA_CRYPT_ROUNDS),
            Algorithm::Sha512Crypt => (HashScheme::Sha512Crypt, STRONG_SHA_CRYPT_ROUNDS),
            Algorithm::Md5
            | Algorithm::Sha1
            | Algorithm::Sha256
            | Algorithm::Sha384
            | Algorithm::Sha512
            | Algorithm::Md5Crypt
            | Algorithm::Apr1Crypt
            | Algorithm::Phpass => return None,
        };
        (self.rounds >= strong_rounds).then_some(scheme)
    }

    /// The scheme of argon2id over this function.
    pub(super) fn wrapped_scheme(&self) -> HashScheme {
        match self.family() {
            Family::Digest => HashScheme::OverDigest,
            Family::Md5Crypt => HashScheme::OverMd5Crypt,
            Family::ShaCrypt => HashScheme::OverShaCrypt,
            Family::Phpass => HashScheme::OverPhpass,
            Family::Pbkdf2 => HashScheme::OverPbkdf2,
        }
    }

    /// The output for this secret. `None` when the other system could not have hashed it, or when
    /// it is too long for so many rounds.
    pub(crate) fn compute(&self, secret: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        if self.longest_secret().is_some_and(|longest| secret.len() > longest) {
            return None;
        }
        let mut output = Zeroizing::new(self.compute_all(secret)?);
        output.truncate(self.length);
        Some(output)
    }

    fn compute_all(&self, secret: &[u8]) -> Option<Vec<u8>> {
        let salt = self.salt.as_slice();
        Some(match self.algorithm {
            Algorithm::Md5 => digest::<Md5>(secret, salt),
            Algorithm::Sha1 => digest::<Sha1>(secret, salt),
            Algorithm::Sha256 => digest::<Sha256>(secret, salt),
            Algorithm::Sha384 => digest::<Sha384>(secret, salt),
            Algorithm::Sha512 => digest::<Sha512>(secret, salt),
            Algorithm::Md5Crypt => md5_crypt(secret, b"$1$", salt).to_vec(),
            Algorithm::Apr1Crypt => md5_crypt(secret, b"$apr1$", salt).to_vec(),
            Algorithm::Phpass => phpass(secret, self.rounds, salt).to_vec(),
            Algorithm::Sha256Crypt => sha256_crypt(secret, salt, self.sha_crypt_params()?).to_vec(),
            Algorithm::Sha512Crypt => sha512_crypt(secret, salt, self.sha_crypt_params()?).to_vec(),
            Algorithm::Pbkdf2Sha1 | Algorithm::Pbkdf2Sha256 | Algorithm::Pbkdf2Sha512 => {
                self.first_pbkdf2_block(secret)
            }
        })
    }

    fn sha_crypt_params(&self) -> Option<sha_crypt::Params> {
        sha_crypt::Params::new(self.rounds).ok()
    }

    /// The first block of the output (RFC 8018, section 5.2). Every block depends on the secret
    /// alone and is as long as the digest. The first one is enough; the others would cost the
    /// rounds again.
    fn first_pbkdf2_block(&self, secret: &[u8]) -> Vec<u8> {
        let mut output = vec![0; self.length];
        let (salt, rounds) = (&self.salt, self.rounds);
        match self.algorithm.output_length() {
            20 => pbkdf2_hmac::<Sha1>(secret, salt, rounds, &mut output),
            32 => pbkdf2_hmac::<Sha256>(secret, salt, rounds, &mut output),
            _ => pbkdf2_hmac::<Sha512>(secret, salt, rounds, &mut output),
        }
        output
    }

    /// The longest secret that is computed, in bytes. `None` when a long secret takes no more time
    /// than a short one.
    pub(crate) fn longest_secret(&self) -> Option<usize> {
        let rounds = usize::try_from(self.rounds).unwrap_or(usize::MAX);
        let longest = MAXIMUM_CRYPT_WORK.checked_div(rounds).unwrap_or_default();
        match self.family() {
            Family::Md5Crypt | Family::ShaCrypt | Family::Phpass => {
                Some(longest.min(LONGEST_CRYPT_SECRET))
            }
            Family::Digest | Family::Pbkdf2 => None,
        }
    }

    /// Writes the function so that [`Self::parse`] reads it.
    pub(super) fn write(&self, text: &mut String) {
        let Self { algorithm, rounds, salt, length } = self;
        // A string accepts every text.
        let _ = write!(text, "{},i={rounds},l={length},s=", algorithm.name());
        STANDARD_NO_PAD.encode_string(salt, text);
    }

    /// Parses the text of [`Self::write`].
    pub(super) fn parse(text: &str) -> Option<Self> {
        let [name, rounds, length, salt] =
            text.split(',').collect::<Vec<_>>().as_slice().as_array().copied()?;
        let algorithm = *Algorithm::ALL.iter().find(|algorithm| algorithm.name() == name)?;
        let rounds = rounds.strip_prefix("i=")?.parse().ok()?;
        let length = length.strip_prefix("l=")?.parse().ok()?;
        let salt = STANDARD_NO_PAD.decode(salt.strip_prefix("s=")?).ok()?;
        let function = Self::new(algorithm, rounds, &salt, length)?;
        // There is one text for each function.
        let mut written = String::new();
        function.write(&mut written);
        (written == text).then_some(function)
    }
}

/// How much longer a function of crypt(3) takes for a secret of this length than for a short one,
/// as a multiple of that time.
#[expect(clippy::cast_precision_loss, reason = "at most 511")]
pub(crate) fn growth(secret_length: usize) -> f64 {
    secret_length.min(LONGEST_CRYPT_SECRET) as f64 / BYTES_OF_GROWTH
}

fn digest<D: Digest>(secret: &[u8], salt: &[u8]) -> Vec<u8> {
    D::new().chain_update(secret).chain_update(salt).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_times_length_of_a_secret_are_bounded() {
        let function =
            |rounds| HashFunction::new(Algorithm::Sha512Crypt, rounds, b"salt", 64).unwrap();
        for (rounds, longest) in
            [(1_000, 511), (125_000, 511), (128_000, 500), (656_000, 97), (1_000_000, 64)]
        {
            assert_eq!(function(rounds).longest_secret(), Some(longest), "{rounds}");
        }
        // Few enough rounds to compute, in a test, what is not computed with more of them.
        assert!(function(1_000).compute(&[b'x'; 98]).is_some());
        assert!(function(656_000).compute(&[b'x'; 98]).is_none());
        assert!(function(1_000_000).compute(&[b'x'; 65]).is_none());
    }
}
