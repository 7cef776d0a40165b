//! The file of the keyring: JSON that only its owner and group may read. The keys are in it as they
//! are, or wrapped.

use std::{
    fs::{self, File, Metadata, Permissions, TryLockError},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use rustix::fs::{XattrFlags, fsetxattr};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    atomic_file::{WriteError, folder_of, write_atomically},
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

    /// Parses the text of a copy that did not come from a file; `None` if it is malformed.
    pub(crate) fn parse_secret(text: &SecretString) -> Option<Self> {
        Self::parse(text.expose_secret())
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
    /// When the file exists or cannot be written. After [`KeyringError::NotDurable`], it is written.
    pub(crate) fn write_new(path: &Path, text: &str) -> Result<(), KeyringError> {
        // link(2) never replaces an existing file.
        let written = write_atomically(path, text, |_, temporary| fs::hard_link(temporary, path));
        written.map_err(|error| match error {
            WriteError::Unchanged(reason) if reason.kind() == io::ErrorKind::AlreadyExists => {
                KeyringError::Exists(path.to_owned())
            }
            WriteError::Unchanged(_) | WriteError::NotDurable(_) => write_failure(path, error),
        })
    }

    /// Replaces a file atomically. The new one has the same owner, group, mode and access control
    /// list, so the accounts that read the file can still read it.
    ///
    /// # Errors
    /// When writing fails. The old file is then unchanged, except after
    /// [`KeyringError::NotDurable`].
    pub(crate) fn replace(path: &Path, text: &str) -> Result<(), KeyringError> {
        let unwritable = |error| KeyringError::Unwritable(path.to_owned(), error);
        let former = Former::find(path).map_err(unwritable)?;
        write_atomically(&former.path, text, |file, temporary| {
            former.copy_access(file)?;
            fs::rename(temporary, &former.path)
        })
        .map_err(|error| write_failure(path, error))
    }

    /// Fails if [`replace`](Self::replace) would. Leaves nothing behind.
    ///
    /// # Errors
    /// When the folder, or a file with the owner of the former one, cannot be written.
    pub(crate) fn require_replaceable(path: &Path) -> Result<(), KeyringError> {
        let unwritable = |error| KeyringError::Unwritable(path.to_owned(), error);
        let former = Former::find(path).map_err(unwritable)?;
        let written = write_atomically(&former.path, "", |file, _| former.copy_access(file));
        // Nothing is moved into place, so nothing is changed.
        written.map_err(|error| match error {
            WriteError::Unchanged(error) | WriteError::NotDurable(error) => unwritable(error),
        })
    }
}

/// Keeps other commands from changing the keyring of a folder, from reading the file to replacing it.
/// Otherwise one of two changes would be lost.
pub(crate) struct KeyringLock {
    /// Unlocked when it is closed. `None` for a folder that cannot be opened: reading or writing the
    /// file then fails.
    _folder: Option<File>,
}

impl KeyringLock {
    /// Locks the folder of a file, which stays the same when the file is replaced.
    ///
    /// # Errors
    /// [`KeyringError::Locked`] when another command has the lock.
    pub(crate) fn take(path: &Path) -> Result<Self, KeyringError> {
        let target = fs::canonicalize(path);
        let folder = target.and_then(|target| File::open(folder_of(&target))).ok();
        match folder.as_ref().map(File::try_lock) {
            Some(Err(TryLockError::WouldBlock)) => Err(KeyringError::Locked(path.to_owned())),
            // Not every network file system has locks.
            None | Some(Ok(()) | Err(TryLockError::Error(_))) => Ok(Self { _folder: folder }),
        }
    }
}

/// A file that is about to be replaced.
struct Former {
    /// The target of symbolic links: it is replaced, not the link.
    path: PathBuf,
    metadata: Metadata,
    access_list: Option<Vec<u8>>,
}

impl Former {
    fn find(path: &Path) -> io::Result<Self> {
        let path = fs::canonicalize(path)?;
        let file = File::open(&path)?;
        let access_list = secret_file::access_list(&file)?;
        Ok(Self { path, metadata: file.metadata()?, access_list })
    }

    /// Gives a new file the owner, group and permissions of this one.
    fn copy_access(&self, file: &File) -> io::Result<()> {
        let (new, former) = (file.metadata()?, &self.metadata);
        if (new.uid(), new.gid()) != (former.uid(), former.gid()) {
            fchown(file, Some(former.uid()), Some(former.gid()))?;
        }
        match &self.access_list {
            // It contains the mode. The mode alone would give the owning group what the list gives
            // to others: its group bits are the mask of the list.
            Some(list) => {
                Ok(fsetxattr(file, secret_file::ACL_ATTRIBUTE, list, XattrFlags::empty())?)
            }
            None => file.set_permissions(Permissions::from_mode(0o400 | former.mode() & 0o640)),
        }
    }
}

/// The error of a keyring that is not written for certain.
fn write_failure(path: &Path, error: WriteError) -> KeyringError {
    match error {
        WriteError::Unchanged(error) => KeyringError::Unwritable(path.to_owned(), error),
        WriteError::NotDurable(error) => KeyringError::NotDurable(path.to_owned(), error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_keeps_owner_group_and_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring.json");
        fs::write(&path, "former").unwrap();
        let is_root = rustix::process::geteuid().is_root();
        let own = fs::metadata(&path).unwrap();
        let foreign = if is_root { (47_110, 47_111) } else { (own.uid(), own.gid()) };
        for (owner, group) in [(own.uid(), own.gid()), (own.uid(), foreign.1), foreign] {
            for mode in [0o400, 0o440, 0o600, 0o640] {
                std::os::unix::fs::chown(&path, Some(owner), Some(group)).unwrap();
                fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
                KeyringFile::require_replaceable(&path).unwrap();
                KeyringFile::replace(&path, "new").unwrap();
                let new = fs::metadata(&path).unwrap();
                assert_eq!((new.uid(), new.gid(), new.mode() & 0o7777), (owner, group, mode));
                assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
            }
        }
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn no_other_file_of_the_folder_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring.json");
        let backup = folder.path().join(format!("keyring.json.{}", std::process::id()));
        fs::write(&backup, "backup").unwrap();
        KeyringFile::write_new(&path, "first").unwrap();
        KeyringFile::replace(&path, "second").unwrap();
        KeyringFile::require_replaceable(&path).unwrap();
        let exists = KeyringFile::write_new(&path, "third").unwrap_err();
        assert!(matches!(exists, KeyringError::Exists(_)), "{exists}");
        assert_eq!(fs::read(&backup).unwrap(), b"backup");
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_replaced_file_keeps_its_access_control_list() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring.json");
        fs::write(&path, "former").unwrap();
        let entry = |tag: u16, permissions: u16, id: u32| {
            [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        // The owner and one user may read, the group may not. The mask gives mode 0440.
        let list = [
            2_u32.to_le_bytes().to_vec(),
            entry(0x01, 4, u32::MAX),
            entry(0x02, 4, 47_110),
            entry(0x04, 0, u32::MAX),
            entry(0x10, 4, u32::MAX),
            entry(0x20, 0, u32::MAX),
        ]
        .concat();
        let file = File::open(&path).unwrap();
        match fsetxattr(&file, secret_file::ACL_ATTRIBUTE, &list, XattrFlags::empty()) {
            // A file system without access control lists.
            Err(rustix::io::Errno::OPNOTSUPP) => return,
            set => set.unwrap(),
        }
        KeyringFile::replace(&path, "new").unwrap();
        let new = File::open(&path).unwrap();
        assert_eq!(secret_file::access_list(&new).unwrap(), Some(list));
        assert_eq!(new.metadata().unwrap().mode() & 0o777, 0o440);
    }
}
