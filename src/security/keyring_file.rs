//! The keyring as it lies on disk: JSON, which nobody else can read.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    random::{RandomError, random_bytes},
    secret_file::{self, SecretFileError},
};
use crate::domain::hexadecimal;

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyState {
    /// Opens what it sealed; seals nothing new.
    Readable,
    /// Seals everything new; exactly one key of the ring is.
    Writing,
    /// Kept for the record, not used.
    Retired,
}

impl KeyState {
    /// The spelling in the file and in tables.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Readable => "readable",
            Self::Writing => "writing",
            Self::Retired => "retired",
        }
    }
}

/// One entry of the file.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyEntry {
    pub(super) id: String,
    #[zeroize(skip)]
    pub(super) state: KeyState,
    /// 32 bytes in base64.
    pub(super) secret: String,
}

/// The whole file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyringFile {
    pub(super) keys: Vec<KeyEntry>,
}

/// Why a keyring cannot be used. No variant holds anything of a key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringError {
    #[error("the keyring cannot be used")]
    File(#[from] SecretFileError),
    #[error("the keyring {0} is not a JSON list of keys with id, state and secret")]
    Malformed(PathBuf),
    #[error("key {0} of the keyring does not hold 32 bytes in base64")]
    BadSecret(String),
    #[error("the keyring names key {0} twice")]
    Duplicate(String),
    #[error("key id {0} of the keyring must have 1 to 64 of the characters A-Z a-z 0-9 - _")]
    BadId(String),
    #[error("the keyring has no key {0}")]
    Unknown(String),
    #[error("key {0} of the keyring is retired, which is for ever")]
    Retired(String),
    #[error("exactly one key of the keyring must be in state writing")]
    NotOneWriting,
    #[error("the keyring {0} exists already; nothing was changed")]
    Exists(PathBuf),
    #[error("the keyring {0} cannot be written")]
    Unwritable(PathBuf, #[source] io::Error),
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl KeyEntry {
    fn generate(state: KeyState) -> Result<Self, KeyringError> {
        let secret = Zeroizing::new(random_bytes::<32>()?);
        let id = hexadecimal::text(&random_bytes::<6>()?);
        Ok(Self { id, state, secret: STANDARD.encode(secret.as_slice()) })
    }
}

impl KeyringFile {
    /// A ring of one new key, which is writing.
    pub(super) fn generate() -> Result<Self, KeyringError> {
        Ok(Self { keys: vec![KeyEntry::generate(KeyState::Writing)?] })
    }

    /// Adds a readable key behind all others, and tells its id.
    pub(super) fn add(&mut self) -> Result<String, KeyringError> {
        let entry = KeyEntry::generate(KeyState::Readable)?;
        let id = entry.id.clone();
        self.keys.push(entry);
        Ok(id)
    }

    /// Puts a key into another state. One writes at a time.
    pub(super) fn change(&mut self, id: &str, state: KeyState) -> Result<(), KeyringError> {
        let unknown = || KeyringError::Unknown(id.to_owned());
        let position = self.keys.iter().position(|key| key.id == id).ok_or_else(unknown)?;
        for (at, key) in self.keys.iter_mut().enumerate() {
            if at == position {
                if key.state == KeyState::Retired {
                    return Err(KeyringError::Retired(id.to_owned()));
                }
                key.state = state;
            } else if state == KeyState::Writing && key.state == KeyState::Writing {
                key.state = KeyState::Readable;
            }
        }
        Ok(())
    }

    /// Reads the file, and refuses one that others can read or change.
    pub(super) fn read(path: &Path) -> Result<Self, KeyringError> {
        let text = secret_file::read(path)?;
        serde_json::from_str(&text).map_err(|_| KeyringError::Malformed(path.to_owned()))
    }

    /// The file's text.
    pub(super) fn to_json(&self) -> Zeroizing<String> {
        // Strings and an enum always serialise.
        Zeroizing::new(serde_json::to_string_pretty(self).unwrap_or_default() + "\n")
    }

    /// Writes a new file with mode 0400; never over an existing one.
    pub(super) fn write_new(&self, path: &Path) -> Result<(), KeyringError> {
        // A link never replaces what is there.
        write_beside(path, &self.to_json(), |_, unfinished| fs::hard_link(unfinished, path))
            .map_err(|error| {
                if error.kind() == io::ErrorKind::AlreadyExists {
                    KeyringError::Exists(path.to_owned())
                } else {
                    KeyringError::Unwritable(path.to_owned(), error)
                }
            })
    }

    /// Writes a text over a file. Its readers stay the same.
    pub(super) fn replace(path: &Path, text: &str) -> Result<(), KeyringError> {
        let unwritable = |error| KeyringError::Unwritable(path.to_owned(), error);
        // What a link leads to is what others read.
        let path = fs::canonicalize(path).map_err(unwritable)?;
        let former = fs::metadata(&path).map_err(unwritable)?;
        write_beside(&path, text, |file, unfinished| {
            let new = file.metadata()?;
            if (new.uid(), new.gid()) != (former.uid(), former.gid()) {
                fchown(file, Some(former.uid()), Some(former.gid()))?;
            }
            file.set_permissions(Permissions::from_mode(0o400 | former.mode() & 0o040))?;
            fs::rename(unfinished, &path)
        })
        .map_err(unwritable)
    }
}

/// Writes a file beside `path` first and has it put into place then: a killed command leaves no half
/// keyring.
fn write_beside(
    path: &Path,
    text: &str,
    put_into_place: impl FnOnce(&File, &OsStr) -> io::Result<()>,
) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", std::process::id()));
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o400).open(&unfinished).and_then(
            |mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()?;
                put_into_place(&file, &unfinished)?;
                // The name, too, must outlive a crash.
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
            },
        );
    // Only the name beside it goes; when it was never made, or was moved, there is none.
    let _ = fs::remove_file(&unfinished);
    written
}
