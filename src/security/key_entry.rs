//! The keys of a keyring file, and why a keyring is refused.

use std::{io, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    random::{RandomError, random_bytes},
    secret_file::SecretFileError,
};

/// The state of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyState {
    /// Unseals and verifies; not used for new data.
    Readable,
    /// Also seals and signs new data. Exactly one key has this state.
    Writing,
    /// Verifies the audit log only.
    Retired,
}

impl KeyState {
    /// The name in the file and in tables.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Readable => "readable",
            Self::Writing => "writing",
            Self::Retired => "retired",
        }
    }
}

/// A key in the file.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyEntry {
    pub(super) id: String,
    #[zeroize(skip)]
    pub(super) state: KeyState,
    /// 32 bytes in Base64.
    pub(super) secret: String,
}

impl KeyEntry {
    /// A new key with a random id and secret.
    pub(super) fn generate(state: KeyState) -> Result<Self, KeyringError> {
        let secret = Zeroizing::new(random_bytes::<32>()?);
        let id = HEXLOWER.encode(&random_bytes::<6>()?);
        Ok(Self::new(id, state, &secret))
    }

    /// A key with this secret.
    pub(super) fn new(id: String, state: KeyState, secret: &[u8; 32]) -> Self {
        Self { id, state, secret: STANDARD.encode(secret) }
    }

    /// The 32 bytes.
    pub(super) fn secret(&self) -> Result<Zeroizing<[u8; 32]>, KeyringError> {
        let bytes = STANDARD.decode(&self.secret).map(Zeroizing::new).ok();
        let bytes = bytes.and_then(|bytes| bytes.as_slice().try_into().map(Zeroizing::new).ok());
        bytes.ok_or_else(|| KeyringError::BadSecret(self.id.clone()))
    }
}

/// A keyring is invalid or cannot be written. No variant contains secret bytes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringError {
    #[error("failed to read the keyring")]
    File(#[from] SecretFileError),
    #[error(
        "the keyring {0} is not valid; it must be JSON with a list of keys, each with id, state \
         and secret, or the output of `keys wrap`"
    )]
    Malformed(PathBuf),
    #[error("key {0} of the keyring is not 32 bytes in Base64")]
    BadSecret(String),
    #[error("duplicate key {0} in the keyring")]
    Duplicate(String),
    #[error("key id {0} of the keyring must have 1 to 64 of the characters A-Z a-z 0-9 - _")]
    BadId(String),
    #[error("the keyring has no key {0}")]
    Unknown(String),
    #[error("key {0} of the keyring is retired and cannot be used again; add a new key")]
    Retired(String),
    #[error("exactly one key of the keyring must be in state writing")]
    NotOneWriting,
    #[error(
        "key {0} of the wrapped keyring cannot be decrypted; the file was edited or damaged; \
         restore it from a copy, and change it with `rotate-key` only"
    )]
    Damaged(String),
    #[error("the keyring {0} already exists; nothing was changed")]
    Exists(PathBuf),
    #[error("another command is changing the keyring {0}; try again when it has ended")]
    Locked(PathBuf),
    #[error(
        "failed to write the keyring {0}: {1}; run the command as an account that may write into \
         its folder, or with `--stdout`, and replace the file yourself"
    )]
    Unwritable(PathBuf, io::Error),
    #[error(
        "the keyring {0} is written, but may not survive a crash of the machine: {1}; check its disk"
    )]
    NotDurable(PathBuf, io::Error),
    #[error(transparent)]
    Random(#[from] RandomError),
}
