//! Schemes and cost parameters of password hashes: plain values.

/// The cost of a hash, in the terms of argon2 (RFC 9106).
///
/// For scrypt, memory is 128 · N · r bytes, and `iterations` is p: how often this engine fills the
/// memory. For bcrypt, `iterations` is the cost exponent; for PBKDF2 and SHA-crypt, the number of
/// rounds. These need no memory that counts. For a wrapped hash, all three are those of argon2id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashParameters {
    /// Memory in KiB (RFC 9106: m).
    pub memory_kib: u32,
    /// Passes over the memory (t).
    pub iterations: u32,
    /// Lanes (p).
    pub parallelism: u32,
}

impl HashParameters {
    /// Number of 1 KiB blocks that argon2 or scrypt fills. Zero for other schemes.
    #[must_use]
    pub fn blocks(self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.iterations)
    }
}

/// Defines [`HashScheme`]: each variant with its identifier.
macro_rules! hash_schemes {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal;)+) => {
        /// The algorithm of a stored hash. New hashes are argon2id; the others are imported.
        ///
        /// `argon2id-over-…` is argon2id over the output of a function that is fast or weak.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum HashScheme {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl HashScheme {
            /// Every scheme.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The identifier: that of the PHC string format, if it has one.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

hash_schemes! {
    /// Argon2id (RFC 9106).
    Argon2id => "argon2id";
    /// Argon2i (RFC 9106).
    Argon2i => "argon2i";
    /// Argon2d (RFC 9106).
    Argon2d => "argon2d";
    /// bcrypt.
    Bcrypt => "bcrypt";
    /// bcrypt over the SHA-256 of the secret, as Django computes it.
    BcryptSha256 => "bcrypt-sha256";
    /// PBKDF2 (RFC 8018) with HMAC-SHA-1.
    Pbkdf2Sha1 => "pbkdf2-sha1";
    /// PBKDF2 with HMAC-SHA-256.
    Pbkdf2Sha256 => "pbkdf2-sha256";
    /// PBKDF2 with HMAC-SHA-512.
    Pbkdf2Sha512 => "pbkdf2-sha512";
    /// scrypt (RFC 7914).
    Scrypt => "scrypt";
    /// scrypt whose output encrypts a signer key, as Firebase computes it.
    FirebaseScrypt => "firebase-scrypt";
    /// SHA-crypt with SHA-256.
    Sha256Crypt => "sha256-crypt";
    /// SHA-crypt with SHA-512.
    Sha512Crypt => "sha512-crypt";
    /// Argon2id over one digest: MD5, SHA-1 or SHA-2, with or without a salt.
    OverDigest => "argon2id-over-digest";
    /// Argon2id over MD5-crypt.
    OverMd5Crypt => "argon2id-over-md5-crypt";
    /// Argon2id over SHA-crypt with few rounds.
    OverShaCrypt => "argon2id-over-sha-crypt";
    /// Argon2id over phpass.
    OverPhpass => "argon2id-over-phpass";
    /// Argon2id over PBKDF2 with few rounds.
    OverPbkdf2 => "argon2id-over-pbkdf2";
}

impl HashScheme {
    /// The scheme with this identifier.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scheme| scheme.as_str() == text)
    }
}
