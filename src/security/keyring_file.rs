//! The file of the keyring: JSON that only its owner and group may read. The keys are in it as they
//! are, or wrapped.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::Path,
};

use serde::{Deserialize, Serialize, de::IgnoredAny};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    key_entry::{KeyEntry, KeyState, KeyringError},
    secret_file,
    wrapped_keyring::{DataKey, WrappedDataKey, WrappedKeyring},
};

/// The contents of the file, with its keys in plain text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyringFile {
    pub(super) keys: Vec<KeyEntry>,
    /// `None`: the keys are written as they are.
    #[serde(skip)]
    wrapping: Option<Wrapping>,
}

/// The data key that the keys are written under.
struct Wrapping {
    wrapped: WrappedDataKey,
    data_key: DataKey,
}

/// A file as it was read.
pub(crate) enum StoredKeyring {
    /// The keys are readable.
    Plain(KeyringFile),
    /// The keys are encrypted under a data key.
    Wrapped(WrappedKeyring),
}

impl StoredKeyring {
    /// Reads the file. Refuses a file that others can read or write.
    ///
    /// # Errors
    /// When the file is missing, malformed or accessible to others.
    pub(crate) fn read(path: &Path) -> Result<Self, KeyringError> {
        let text = secret_file::read(path)?;
        Self::parse(&text).ok_or_else(|| KeyringError::Malformed(path.to_owned()))
    }

    /// Parses the text of a file; `None` if it is malformed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Kind {
            wrap: Option<IgnoredAny>,
        }
        let kind: Kind = serde_json::from_str(text).ok()?;
        match kind.wrap {
            Some(_) => serde_json::from_str(text).map(Self::Wrapped).ok(),
            None => serde_json::from_str(text).map(Self::Plain).ok(),
        }
    }

    /// The encrypted data key; `None` for a plain file.
    pub(crate) fn data_key(&self) -> Option<&WrappedDataKey> {
        match self {
            Self::Plain(_) => None,
            Self::Wrapped(wrapped) => Some(wrapped.data_key()),
        }
    }

    /// The ids and states of the keys. Those of a wrapped file are not verified.
    pub(crate) fn keys(&self) -> Vec<(&str, KeyState)> {
        match self {
            Self::Plain(file) => {
                file.keys.iter().map(|entry| (entry.id.as_str(), entry.state)).collect()
            }
            Self::Wrapped(wrapped) => wrapped.keys().collect(),
        }
    }
}

impl KeyringFile {
    /// Generates a keyring with one writing key.
    ///
    /// # Errors
    /// When the operating system returns no random bytes.
    pub(crate) fn generate() -> Result<Self, KeyringError> {
        Ok(Self::plain(vec![KeyEntry::generate(KeyState::Writing)?]))
    }

    /// A file with these keys in plain text.
    pub(super) fn plain(keys: Vec<KeyEntry>) -> Self {
        Self { keys, wrapping: None }
    }

    /// Decrypts the keys of a wrapped file.
    ///
    /// # Errors
    /// When a key cannot be decrypted: the file was changed, or the data key is another.
    pub(crate) fn open(wrapped: &WrappedKeyring, data_key: DataKey) -> Result<Self, KeyringError> {
        let keys = wrapped.unseal(&data_key)?;
        Ok(Self {
            keys,
            wrapping: Some(Wrapping { wrapped: wrapped.data_key().clone(), data_key }),
        })
    }

    /// Writes the keys under this data key from now on.
    pub(crate) fn wrap_with(&mut self, wrapped: WrappedDataKey, data_key: DataKey) {
        self.wrapping = Some(Wrapping { wrapped, data_key });
    }

    /// Writes the keys in plain text from now on.
    pub(crate) fn remove_wrap(&mut self) {
        self.wrapping = None;
    }

    /// True if both files have the same keys in the same states and order.
    pub(crate) fn has_same_keys(&self, other: &Self) -> bool {
        let is_same = |(one, other): (&KeyEntry, &KeyEntry)| {
            let is_same_secret = one.secret.as_bytes().ct_eq(other.secret.as_bytes());
            one.id == other.id && one.state == other.state && bool::from(is_same_secret)
        };
        self.keys.len() == other.keys.len() && self.keys.iter().zip(&other.keys).all(is_same)
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

    /// The text of the file.
    ///
    /// # Errors
    /// When a key is invalid, or the operating system returns no random bytes.
    pub(crate) fn to_json(&self) -> Result<Zeroizing<String>, KeyringError> {
        // Serializing strings and enums cannot fail.
        let text = match &self.wrapping {
            None => serde_json::to_string_pretty(self).unwrap_or_default(),
            Some(Wrapping { wrapped, data_key }) => {
                let sealed = WrappedKeyring::seal(wrapped, data_key, &self.keys)?;
                serde_json::to_string_pretty(&sealed).unwrap_or_default()
            }
        };
        Ok(Zeroizing::new(text + "\n"))
    }

    /// Writes a new file with mode 0400. Never overwrites.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub(crate) fn write_new(path: &Path, text: &str) -> Result<(), KeyringError> {
        // link(2) never replaces an existing file.
        write_atomically(path, text, |_, temporary| fs::hard_link(temporary, path)).map_err(
            |error| {
                if error.kind() == io::ErrorKind::AlreadyExists {
                    KeyringError::Exists(path.to_owned())
                } else {
                    KeyringError::Unwritable(path.to_owned(), error)
                }
            },
        )
    }

    /// Replaces a file atomically. Its owner and group keep their access.
    ///
    /// # Errors
    /// When writing fails. The old file is then unchanged.
    pub(crate) fn replace(path: &Path, text: &str) -> Result<(), KeyringError> {
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
