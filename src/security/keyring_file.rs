//! The file of the keyring: JSON that only its owner and group may read.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    random::{RandomError, random_bytes},
    secret_file::{self, SecretFileError},
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

/// The contents of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyringFile {
    pub(super) keys: Vec<KeyEntry>,
}

/// A keyring is invalid or cannot be written. No variant contains secret bytes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringError {
    #[error("failed to read the keyring")]
    File(#[from] SecretFileError),
    #[error(
        "the keyring {0} is not valid; it must be JSON with a list of keys, each with id, state \
         and secret"
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
    #[error("the keyring {0} already exists; nothing was changed")]
    Exists(PathBuf),
    #[error("failed to write the keyring {0}")]
    Unwritable(PathBuf, #[source] io::Error),
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl KeyEntry {
    fn generate(state: KeyState) -> Result<Self, KeyringError> {
        let secret = Zeroizing::new(random_bytes::<32>()?);
        let id = HEXLOWER.encode(&random_bytes::<6>()?);
        Ok(Self { id, state, secret: STANDARD.encode(secret.as_slice()) })
    }
}

impl KeyringFile {
    /// Generates a keyring with one writing key.
    pub(super) fn generate() -> Result<Self, KeyringError> {
        Ok(Self { keys: vec![KeyEntry::generate(KeyState::Writing)?] })
    }

    /// Appends a readable key, and returns its id.
    pub(super) fn add(&mut self) -> Result<String, KeyringError> {
        let entry = KeyEntry::generate(KeyState::Readable)?;
        let id = entry.id.clone();
        self.keys.push(entry);
        Ok(id)
    }

    /// Changes the state of a key. There is one writing key at a time.
    pub(super) fn change(&mut self, id: &str, state: KeyState) -> Result<(), KeyringError> {
        let unknown = || KeyringError::Unknown(id.to_owned());
        let position = self.keys.iter().position(|key| key.id == id).ok_or_else(unknown)?;
        for (index, key) in self.keys.iter_mut().enumerate() {
            if index == position {
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

    /// Reads the file. Refuses a file that others can read or write.
    pub(super) fn read(path: &Path) -> Result<Self, KeyringError> {
        let text = secret_file::read(path)?;
        serde_json::from_str(&text).map_err(|_| KeyringError::Malformed(path.to_owned()))
    }

    /// The text of the file.
    pub(super) fn to_json(&self) -> Zeroizing<String> {
        // Serializing strings and an enum cannot fail.
        Zeroizing::new(serde_json::to_string_pretty(self).unwrap_or_default() + "\n")
    }

    /// Writes a new file with mode 0400. Never overwrites.
    pub(super) fn write_new(&self, path: &Path) -> Result<(), KeyringError> {
        // link(2) never replaces an existing file.
        write_atomically(path, &self.to_json(), |_, temporary| fs::hard_link(temporary, path))
            .map_err(|error| {
                if error.kind() == io::ErrorKind::AlreadyExists {
                    KeyringError::Exists(path.to_owned())
                } else {
                    KeyringError::Unwritable(path.to_owned(), error)
                }
            })
    }

    /// Replaces a file. Its owner and group keep their access.
    pub(super) fn replace(path: &Path, text: &str) -> Result<(), KeyringError> {
        let unwritable = |error| KeyringError::Unwritable(path.to_owned(), error);
        // Replace the target of a symbolic link, not the link.
        let path = fs::canonicalize(path).map_err(unwritable)?;
        let former = fs::metadata(&path).map_err(unwritable)?;
        write_atomically(&path, text, |file, temporary| {
            let new = file.metadata()?;
            if (new.uid(), new.gid()) != (former.uid(), former.gid()) {
                fchown(file, Some(former.uid()), Some(former.gid()))?;
            }
            file.set_permissions(Permissions::from_mode(0o400 | former.mode() & 0o040))?;
            fs::rename(temporary, &path)
        })
        .map_err(unwritable)
    }
}

/// Writes a temporary file in the folder of `path` and moves it into place, so that an interrupted
/// command leaves no partial keyring.
fn write_atomically(
    path: &Path,
    text: &str,
    move_into_place: impl FnOnce(&File, &OsStr) -> io::Result<()>,
) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o400).open(&temporary).and_then(
            |mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()?;
                move_into_place(&file, &temporary)?;
                // Also make the new name durable.
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
            },
        );
    // Removes the temporary name. It does not exist if the file was not created or was renamed.
    let _ = fs::remove_file(&temporary);
    written
}
